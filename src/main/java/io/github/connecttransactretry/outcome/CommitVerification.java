package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.SQLException;

/**
 * The user's own way to find out whether one call's transaction was committed, by looking for what it should have left. It
 * is asked last. Called on the caller's thread.
 */
@FunctionalInterface
public interface CommitVerification {

    /** What was found. */
    enum Finding {
        /** What the transaction wrote is there. */
        COMMITTED,
        /** It is not there, and would be if the transaction had been committed. */
        NOT_COMMITTED,
        /** Neither can be said. */
        CANNOT_TELL
    }

    /**
     * Looks.
     *
     * @param connection a fresh one in autocommit, to the primary; its {@code close()} does nothing, the engine closes it
     * @return not null
     * @throws SQLException if the connection or the server failed; if that is transient, it is asked again
     */
    Finding verify(Connection connection) throws SQLException;
}
