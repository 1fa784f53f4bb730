package io.github.connecttransactretry;

import io.github.connecttransactretry.outcome.CommitEvidence;
import java.sql.Connection;
import java.time.Duration;
import java.util.function.Consumer;
import javax.sql.DataSource;

/**
 * One attempt's transaction, as the function sees it. Dead once the attempt is over. For the function's thread, except that
 * a library may use the connection from another one while the function waits for it.
 */
public interface Transaction {

    /**
     * The connection, with the transaction begun at the latest by its first statement. Committing it, rolling it all back,
     * {@code setAutoCommit} and {@code abort} are refused, and so are the SQL statements that do the same: return to
     * commit, throw or {@link #rollbackOnly()} to roll back. {@code close()} does nothing. Savepoints are the function's
     * own. {@code unwrap(PGConnection.class)} gives pgjdbc's own connection, which is not guarded: for COPY and large
     * objects, not for ending the transaction.
     */
    Connection connection();

    /** The same connection as a {@code DataSource}, for libraries that want one: every {@code getConnection()} gives it. */
    DataSource dataSource();

    /** Which attempt of the call this is, 1 for the first. */
    int attempt();

    /** What is left of the call's time, zero when there is nothing left. */
    Duration remaining();

    /** Makes this attempt end in a rollback, without an exception: the caller gets the function's value, nothing is committed. */
    void rollbackOnly();

    /** Whether {@link #rollbackOnly()} was called. */
    boolean isRollbackOnly();

    /**
     * Something to do once this attempt is committed for certain: on the caller's thread, in the order given, before the
     * call returns, after the connection was given back. What it throws is logged and ignored. Calls of the same engine are
     * allowed in it. Does not run when the outcome stays unknown.
     *
     * @param action not null
     */
    void afterCommit(Runnable action);

    /**
     * Something to do once this attempt is rolled back for certain, as {@link #afterCommit}; before the next attempt.
     *
     * @param action not null
     */
    void afterRollback(Runnable action);

    /**
     * Something to do if it stays unknown whether this attempt was committed, as {@link #afterCommit}.
     *
     * @param action gets the evidence, or null if none was taken; not null itself
     */
    void onUnknown(Consumer<CommitEvidence> action);
}
