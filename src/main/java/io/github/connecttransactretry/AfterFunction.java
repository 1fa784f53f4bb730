package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.TransactionState;
import java.sql.SQLException;
import java.sql.Statement;

/** The look at what the function left behind, before anything is committed. For one thread. */
final class AfterFunction {

    private final Journey journey;
    private final Lease lease;
    private final ConnectionGuard guard;

    AfterFunction(Journey journey, Lease lease, ConnectionGuard guard) {
        this.journey = journey;
        this.lease = lease;
        this.guard = guard;
    }

    /** Whether the function ended the transaction by itself, so that what it did may be committed and a retry would double it. */
    boolean hasEnded() {
        boolean ended = lease.physical().transactionState() == TransactionState.IDLE && guard.hasBegun() && !lease.isLost();
        if (ended) {
            journey.endedByFunction();
        }
        return ended;
    }

    /** What the function did that was refused, or kept to itself. An error comes first: after it a rollback() may well be tried. */
    void requireCommittable() throws SQLException, InterruptedException {
        if (lease.isLost()) {
            throw lossSeen();
        }
        if (lease.physical().transactionState() == TransactionState.FAILED) {
            throw swallowed();
        }
        if (guard.conflict() != null) {
            throw guard.conflict();
        }
        if (guard.refusal() != null) {
            throw new TransactionRefusedException(guard.refusal().getMessage(), guard.refusal(), journey.failures());
        }
        if (Thread.currentThread().isInterrupted()) {
            throw new InterruptedException("interrupted before COMMIT");
        }
        journey.requireTime("to begin the COMMIT");
    }

    private SQLException lossSeen() {
        SQLException last = guard.lastError();
        boolean saysSo = SqlState.of(last).filter(SqlState::isConnectionLoss).isPresent();
        return saysSo ? last : new SQLException("the connection was lost in the function", SqlState.CONNECTION_DOES_NOT_EXIST);
    }

    /** The error that the function did not pass on; where it bypassed the guard, the server's 25P02 has it as its cause. */
    private SQLException swallowed() throws SQLException {
        if (guard.failedBy() != null) {
            return guard.failedBy();
        }
        try (Statement probe = lease.connection().createStatement()) {
            probe.execute("SELECT 1");
        } catch (SQLException aborted) {
            return SqlState.carrier(aborted).orElse(aborted);
        }
        return new SQLException("the transaction has failed", SqlState.IN_FAILED_SQL_TRANSACTION);
    }
}
