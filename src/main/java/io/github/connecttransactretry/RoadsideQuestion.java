package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.TransactionState;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import io.github.connecttransactretry.outcome.ServerSession;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.time.Duration;

/** A question asked over one connection of the resolvers' road. */
final class RoadsideQuestion implements OutcomeQuestion {

    /** A terminated backend's transaction shows as aborted after 1 to 6 ms (measured). */
    private static final Duration FIRST_PAUSE = Duration.ofMillis(2);
    private static final int MOST_DOUBLINGS = 7;

    private final String label;
    private final boolean later;
    private final CommitEvidence evidence;
    private final Deadline deadline;
    private final ResolverRoad.Stop stop;
    private final Settings settings;
    private final Drivers drivers;
    private final SessionCatalogue sessions;
    private final BackendFence fence;

    RoadsideQuestion(String label, boolean later, CommitEvidence evidence, Deadline deadline, ResolverRoad.Stop stop,
                     Settings settings, Drivers drivers, SessionCatalogue sessions, BackendFence fence) {
        this.label = label;
        this.later = later;
        this.evidence = evidence;
        this.deadline = deadline;
        this.stop = stop;
        this.settings = settings;
        this.drivers = drivers;
        this.sessions = sessions;
        this.fence = fence;
    }

    @Override
    public CommitEvidence evidence() {
        return evidence;
    }

    @Override
    public Connection connection() {
        return stop.connection();
    }

    @Override
    public Deadline deadline() {
        return deadline;
    }

    @Override
    public boolean isLater() {
        return later;
    }

    @Override
    public boolean physicalReplication() {
        return settings.physicalReplication();
    }

    @Override
    public ServerSession session() throws SQLException {
        return sessions.reader(stop.physical().identity()).read(stop.physical());
    }

    @Override
    public BackendFence.Result fence() throws SQLException {
        BackendFence.Result result = fence.fence(stop.connection(), evidence);
        settings.events().tell(new TransactionEvent.Fenced(label, evidence.backend(), result));
        return result;
    }

    @Override
    public boolean commitAcknowledged() throws SQLException {
        // The seal may have to wait for a synchronous standby: to ask again would only make another wait.
        stop.arm(deadline);
        stop.connection().clearWarnings();
        stop.connection().commit();
        if (stop.physical().transactionState() != TransactionState.IDLE) {
            throw new SQLException("the resolver's COMMIT returned, but its session is not idle", "08000");
        }
        return ReplicationWarning.of(stop.connection(), drivers::routine) == null;
    }

    @Override
    public void pause(int round) throws SQLException, InterruptedException {
        Duration pause = FIRST_PAUSE.multipliedBy(1L << Math.min(MOST_DOUBLINGS, round - 1));
        if (pause.compareTo(deadline.remaining()) >= 0) {
            throw new SQLTimeoutException("the call's deadline came while its transaction was still in progress");
        }
        if (stop.shouldYield()) {
            throw new SQLTimeoutException("the transaction is still in progress, and other questions wait");
        }
        settings.time().sleep(pause);
        stop.arm(deadline.share(ResolverRoad.QUESTION_SHARE));
    }
}
