package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import java.sql.SQLTimeoutException;
import java.util.List;
import java.util.Optional;

/** An attempt's way past the circuit breaker, if there is one. For one attempt. */
final class Circuit {

    private final Journey journey;
    private final boolean pooled;
    private CircuitBreaker.Passage passage;
    private long enteredNanos;

    /**
     * For one attempt.
     *
     * @param pooled whether its connection may come from a pool, so that waiting for it in vain says nothing of the server
     */
    Circuit(Journey journey, boolean pooled) {
        this.journey = journey;
        this.pooled = pooled;
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
        enteredNanos = journey.settings().time().nanoTime();
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

    /** Connecting failed. */
    void failed(Verdict verdict, String sqlState) {
        if (passage == null) {
            return;
        }
        if (verdict == Verdict.OUTAGE || verdict == Verdict.SATURATION && sqlState == null && !pooled && wasSilent()) {
            tell(passage.outage());
        } else if (verdict == Verdict.SATURATION || verdict == Verdict.POOLER_TROUBLE || sqlState == null) {
            // A pooler's trouble may be that its server is away.
            tell(passage.neither());
        } else {
            tell(passage.reached());
        }
    }

    private boolean wasSilent() {
        return journey.settings().time().nanoTime() - enteredNanos >= journey.settings().breaker().longestConnect().toNanos();
    }

    private void tell(Optional<CircuitBreaker.Change> change) {
        change.ifPresent(turn -> journey.tell(new TransactionEvent.CircuitChanged(journey.options().label(), turn.from(), turn.to())));
    }
}
