package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.SQLException;

/** A transaction of the library's own, on a connection that is put back as it was taken. */
final class OwnTransaction {

    /** Whatever the session's defaults are. A standby refuses it with 0A000, which would pass for final: ask for recovery first. */
    static final String READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";

    private OwnTransaction() {
    }

    /** What is done in it. */
    interface Work<T> {
        T on(Connection connection) throws SQLException;
    }

    /**
     * Does the work and commits.
     *
     * @throws SQLException if the work or the COMMIT failed; what is open then is rolled back
     */
    static <T> T run(Connection connection, Work<T> work) throws SQLException {
        boolean autoCommit = connection.getAutoCommit();
        connection.setAutoCommit(false);
        try {
            T result = work.on(connection);
            connection.commit();
            return result;
        } catch (SQLException | RuntimeException refused) {
            try {
                connection.rollback();
            } catch (SQLException lost) {
                refused.addSuppressed(lost);
            }
            throw refused;
        } finally {
            connection.setAutoCommit(autoCommit);
        }
    }
}
