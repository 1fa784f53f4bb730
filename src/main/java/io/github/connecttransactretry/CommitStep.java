package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.TransactionState;
import io.github.connecttransactretry.observe.TransactionEvent;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLWarning;

/**
 * COMMIT: one message, and the reading of its answer. From the moment it is handed to the driver only two things prove
 * anything: success on a session that is then idle, and an ERROR of the server on a session that is alive and idle. All else
 * is in doubt; a rollback that succeeds afterwards proves nothing (measured).
 *
 * @param <T> the function's value
 */
final class CommitStep<T> {

    /** COMMIT may use this share of what remains; the rest is kept for finding out. */
    private static final double SHARE = 0.5;

    private final Attempt<T, ?> attempt;
    private final T value;
    private final Lease lease;
    private final Journey journey;

    CommitStep(Attempt<T, ?> attempt, T value) {
        this.attempt = attempt;
        this.value = value;
        this.lease = attempt.lease();
        this.journey = attempt.journey();
    }

    AttemptResult<T> run() {
        Connection connection = lease.connection();
        try {
            lease.arm(journey.deadline().share(SHARE));
            connection.clearWarnings();
            if (lease.isLost()) {
                throw new SQLException("the connection was lost before COMMIT was sent", SqlState.CONNECTION_DOES_NOT_EXIST);
            }
        } catch (SQLException | RuntimeException neverSent) {
            return attempt.failed(neverSent);
        }
        attempt.enter(Phase.COMMIT);
        journey.commitSent();
        Throwable trouble = null;
        SQLWarning warnings = null;
        try {
            warnings = attempt.row().commit(connection);
        } catch (Throwable thrown) {
            trouble = thrown;
        }
        lease.disarm();
        if (trouble == null && lease.physical().transactionState() == TransactionState.IDLE) {
            return acknowledged(warnings);
        }
        if (isRefusedByServer(trouble)) {
            return attempt.failed(trouble);
        }
        return ambiguous(trouble == null ? new SQLException("COMMIT returned, but the session is not idle") : trouble);
    }

    private AttemptResult<T> acknowledged(SQLWarning warnings) {
        attempt.acknowledged();
        SQLWarning ridden = ReplicationWarning.in(warnings, lease.driver()::serverRoutine);
        SQLWarning givenUp = ridden != null ? ridden : ReplicationWarning.of(lease.connection(), lease.driver()::serverRoutine);
        boolean inDoubt = givenUp != null && attempt.evidence() != null;
        if (inDoubt) {
            // The question may end the backend, which must not be somebody else's by then.
            attempt.evict(false);
        } else {
            attempt.release();
        }
        if (givenUp != null) {
            journey.tell(new TransactionEvent.AcknowledgedNotReplicated(journey.options().label(), attempt.evidence()));
        }
        return inDoubt ? new AttemptResult.InDoubt<>(value, attempt.transaction(), attempt.evidence(), null, givenUp)
                : new AttemptResult.Done<>(value, attempt.transaction(), true);
    }

    private boolean isRefusedByServer(Throwable trouble) {
        // A pooler that lost its server may answer with an ERROR of its own, which names no function of PostgreSQL's.
        // Where a ledger row was refused, the COMMIT behind it was skipped and the transaction is still there.
        boolean over = lease.physical().transactionState() == TransactionState.IDLE || attempt.row().isWritten();
        if (lease.driver().serverRoutine(trouble) == null || lease.isLost() || !over) {
            return false;
        }
        String sqlState = ((SQLException) trouble).getSQLState();
        // 40003 is how a server says that it does not know either; some forks say it by an internal or a system error.
        return !SqlState.isConnectionLoss(sqlState) && !"40003".equals(sqlState)
                && !sqlState.startsWith("XX") && !sqlState.startsWith("58");
    }

    private AttemptResult<T> ambiguous(Throwable trouble) {
        if (journey.options().access() == Access.READ_ONLY) {
            return readOnly(trouble);
        }
        attempt.evict(false);
        return new AttemptResult.InDoubt<>(value, attempt.transaction(), attempt.evidence(),
                lease.session().backend(), trouble);
    }

    /** A read-only transaction has changed nothing; only at SERIALIZABLE does its COMMIT say whether what it saw is consistent. */
    private AttemptResult<T> readOnly(Throwable trouble) {
        TransactionOptions options = journey.options();
        if (!options.deferrable() && Judgement.isSerializable(options, lease)) {
            return attempt.failed(trouble);
        }
        attempt.evict(false);
        return new AttemptResult.Done<>(value, attempt.transaction(), true);
    }
}
