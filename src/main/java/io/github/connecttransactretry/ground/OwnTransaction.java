package io.github.connecttransactretry.ground;

import java.sql.Connection;
import java.sql.SQLException;

/** A transaction of the library's own, on a connection that is put back as it was taken. Stateless. */
public final class OwnTransaction {

    /** Whatever the session's defaults are. A standby refuses it with 0A000, which would pass for final: ask for recovery first. */
    public static final String READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";

    private OwnTransaction() {
    }

    /**
     * What is done in it.
     *
     * @param <T> what it gives
     */
    @FunctionalInterface
    public interface Work<T> {

        /**
         * Does it.
         *
         * @param connection with the transaction, not null
         * @throws SQLException rolls back
         */
        T on(Connection connection) throws SQLException;
    }

    /**
     * Does the work and commits.
     *
     * @param connection in no transaction, not null
     * @param work       not null
     * @param <T>        what it gives
     * @return what the work gave
     * @throws SQLException if the work or the COMMIT failed; what is open then is rolled back
     */
    public static <T> T run(Connection connection, Work<T> work) throws SQLException {
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
