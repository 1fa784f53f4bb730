package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TransactionState;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Stands between the function and its connection: refuses what would end the transaction, watches the transaction's state
 * after each statement, and remembers what went wrong in case the function does not say. Dead once the attempt is over.
 */
final class ConnectionGuard {

    private final Connection real;
    private final PhysicalConnection physical;
    private final DriverSupport driver;
    private final boolean readOnly;
    private final ConflictSight sight;
    private final Connection guarded;
    private final AtomicInteger running = new AtomicInteger();
    private volatile boolean dead;
    private volatile boolean begun;
    private volatile SQLException failedBy;
    private volatile SQLException conflict;
    private volatile SQLException lastError;
    private volatile SQLException refusal;

    ConnectionGuard(Lease lease, boolean readOnly, ConflictSight sight) {
        this.sight = sight;
        this.real = lease.connection();
        this.physical = lease.physical();
        this.driver = lease.driver();
        this.readOnly = readOnly;
        this.begun = physical.transactionState() != TransactionState.IDLE;
        this.guarded = GuardedObject.guard(this, Connection.class, real, null);
    }

    /** What the function gets. */
    Connection connection() {
        return guarded;
    }

    void kill() {
        dead = true;
    }

    boolean isClosed() {
        return dead || physical.isClosed();
    }

    /** Whether a statement has run, so that there is a transaction. */
    boolean hasBegun() {
        return begun || physical.transactionState() != TransactionState.IDLE;
    }

    /** The error that put the transaction into the state FAILED, if it went through the guard and still stands; else null. */
    SQLException failedBy() {
        return failedBy;
    }

    /** A serialization failure or deadlock that the driver has papered over, or null. */
    SQLException conflict() {
        return conflict;
    }

    /** The last error that any statement raised, or null. */
    SQLException lastError() {
        return lastError;
    }

    /** What the function tried and was refused, or null: even if it swallowed the refusal, the attempt is not committed. */
    SQLException refusal() {
        return refusal;
    }

    void requireAlive() throws SQLException {
        if (dead) {
            throw new SQLException("this attempt's transaction is over: use the connection only inside the function",
                    SqlState.INVALID_TRANSACTION_STATE);
        }
    }

    /**
     * Around each call into the driver. Counted before {@code dead} is read, so that none slips past {@link #isBusy()}.
     *
     * @return when it begins, for {@link #failed}
     */
    long enter() throws SQLException {
        running.incrementAndGet();
        if (dead) {
            running.decrementAndGet();
            requireAlive();
        }
        return sight.statementBegins();
    }

    void leave() {
        running.decrementAndGet();
    }

    /** Whether another thread is inside the driver; once the guard is dead no further one gets in. */
    boolean isBusy() {
        return running.get() > 0;
    }

    void check(String sql) throws SQLException {
        String reason = SqlGate.refusal(sql, driver, isStandardConforming(), readOnly);
        if (reason != null) {
            throw refuse(reason);
        }
    }

    /** Where backslashes are plain characters, as they are by default; the server reports the setting whenever it changes. */
    private boolean isStandardConforming() {
        return !"off".equals(physical.parameterStatus("standard_conforming_strings"));
    }

    /** Refuses, with the error that came before as the cause: a function that rolls back by hand does so after an error. */
    SQLException refuse(String reason) {
        refusal = new SQLException(reason, SqlState.INVALID_TRANSACTION_TERMINATION, failedBy);
        return refusal;
    }

    /** To be called after a statement was run without an error. */
    void ran() throws SQLException {
        TransactionState state = physical.transactionState();
        if (state == TransactionState.IDLE && !physical.isClosed()) {
            throw refuse("the statement ended the transaction: return to commit, throw or call rollbackOnly() to roll back");
        }
        begun = true;
        if (state == TransactionState.OPEN) {
            failedBy = null;
        }
    }

    /**
     * To be called after anything on the connection raised an error.
     *
     * @param sql   what was being run, null if that is not known
     * @param began what {@link #enter} gave
     */
    void failed(SQLException error, String sql, long began) {
        sight.statementFailed(error, sql, began);
        lastError = error;
        TransactionState state = physical.transactionState();
        begun |= state != TransactionState.IDLE;
        if (state == TransactionState.FAILED && failedBy == null) {
            failedBy = error;
        }
        // With autosave=always the driver has undone the statement but not the conflict, after which the whole transaction has
        // to go again (manual, 13.5).
        String sqlState = error.getSQLState();
        boolean lostToAnother = SqlState.SERIALIZATION_FAILURE.equals(sqlState) || SqlState.DEADLOCK_DETECTED.equals(sqlState);
        if (state == TransactionState.OPEN && lostToAnother) {
            conflict = error;
        }
    }

    /** The function has gone back to a savepoint of its own: what was since then is its own business. */
    void rolledBackToSavepoint() {
        conflict = null;
    }
}
