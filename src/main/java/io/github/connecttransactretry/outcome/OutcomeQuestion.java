package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.ground.Deadline;
import java.sql.Connection;
import java.sql.SQLException;

/** One question about one ambiguous COMMIT, and what a resolver needs to answer it. For the calling thread alone. */
public interface OutcomeQuestion {

    /** What was learnt before the COMMIT was sent, never null. */
    CommitEvidence evidence();

    /**
     * A connection of its own to the database, in autocommit, never one that stands behind the attempts' pool; its network
     * timeout is set to the deadline. The engine closes it.
     */
    Connection connection();

    /** When the answer has to be there. */
    Deadline deadline();

    /** Whether it is asked about by its evidence alone, at any time after the call that was in doubt. */
    boolean isLater();

    /** Whether a later WAL timeline continues this one, so that what is not found there was not committed (a setting). */
    boolean physicalReplication();

    /**
     * What the server says of the connection's session and of itself, read anew in the transaction that is open, if any.
     *
     * @throws SQLException if it cannot be read
     */
    ServerSession session() throws SQLException;

    /**
     * Ends the abandoned backend if it may be ended, and says how it was found. To be called outside a transaction.
     *
     * @throws SQLException if the connection failed
     */
    BackendFence.Result fence() throws SQLException;

    /**
     * Commits the connection's own transaction.
     *
     * @return false if the server has committed but gave up its wait for synchronous replication
     * @throws SQLException if the commit failed or was not acknowledged
     */
    boolean commitAcknowledged() throws SQLException;

    /**
     * Waits a little before the question is put again.
     *
     * @param round 1 after the first asking, 2 after the second, and so on
     * @throws InterruptedException if interrupted; the engine puts the interrupt aside and asks anew
     * @throws SQLException if the deadline would pass meanwhile
     */
    void pause(int round) throws SQLException, InterruptedException;
}
