package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.List;
import java.util.Optional;

/** An attempt's way past the circuit breaker, if there is one. For one attempt. */
final class Circuit {

    private final Journey journey;
    private final Engine engine;
    private CircuitBreaker.Passage passage;

    Circuit(Journey journey, Engine engine) {
        this.journey = journey;
        this.engine = engine;
    }

    /** Lets the attempt through to connect, now or when the server is back. */
    void enter() throws SQLTimeoutException, InterruptedException {
        CircuitBreaker breaker = journey.settings().breaker();
        if (breaker == null) {
            return;
        }
        Optional<CircuitBreaker.Passage> granted = breaker.enter(journey.settings().time(), journey.deadline());
        if (granted.isEmpty() && journey.deadline().hasPassed()) {
            throw new SQLTimeoutException("the circuit breaker was open for all of the call's time");
        }
        passage = granted.orElseThrow(() -> new CircuitOpenException("the circuit breaker is open: the server was away when it was"
                + " last tried, and is tried again soon", null, List.of()));
        tell(passage.change());
        if (passage.isProbe()) {
            // One that lay in the pool unseen would be no proof.
            journey.lostConnection();
        }
    }

    /** There is a connection: one that was asked, or that lay in the pool and may be dead. */
    void connected(boolean asked) {
        if (passage != null && asked) {
            tell(passage.reached());
        }
    }

    /** The COMMIT was acknowledged, be it on a connection that lay in the pool. */
    void served() {
        if (passage != null) {
            passage.served();
        }
    }

    /** Connecting failed. What a classifier of the user's makes of it decides on the call, not on whether there is a server. */
    void failed(Verdict verdict, Throwable thrown) {
        if (passage == null) {
            return;
        }
        SQLException carrier = SqlState.carrier(thrown).orElse(null);
        boolean answered = engine.drivers().isServerReply(carrier) || verdict == Verdict.STALE_SERVER;
        if (verdict == Verdict.OUTAGE || isLoss(carrier) && !answered || carrier == null && wasSilent()) {
            tell(passage.outage());
        } else if (answered && verdict != Verdict.POOLER_TROUBLE) {
            tell(passage.reached());
        } else {
            tell(passage.neither());
        }
    }

    /** Without the word of a pooler, whose trouble may be that its server is away, or something else. */
    private static boolean isLoss(SQLException carrier) {
        return carrier != null && SqlState.isConnectionLoss(carrier.getSQLState())
                && !SqlState.PROTOCOL_VIOLATION.equals(carrier.getSQLState());
    }

    private boolean wasSilent() {
        return journey.connecting().compareTo(journey.settings().breaker().longestConnect()) >= 0
                && engine.connector().isEmpty();
    }

    private void tell(Optional<CircuitBreaker.Change> change) {
        change.ifPresent(turn -> journey.tell(new TransactionEvent.CircuitChanged(journey.options().label(), turn.from(), turn.to())));
    }
}
