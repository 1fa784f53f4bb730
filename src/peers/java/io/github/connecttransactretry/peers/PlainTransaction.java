package io.github.connecttransactretry.peers;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;

/** One attempt in plain JDBC, for peers that retry and leave the transaction to their users. */
final class PlainTransaction {

    private PlainTransaction() {
    }

    static <T> T run(DataSource pool, Peer.Work<T> work) throws SQLException {
        return run(pool, work, UnaryOperator.identity());
    }

    /** The operator may say of an exception that COMMIT has thrown what it means. */
    static <T> T run(DataSource pool, Peer.Work<T> work, UnaryOperator<SQLException> atCommit) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            connection.setAutoCommit(false);
            T value;
            try {
                value = work.in(connection);
            } catch (SQLException | RuntimeException failed) {
                rollback(connection, failed);
                throw failed;
            }
            try {
                connection.commit();
            } catch (SQLException failed) {
                rollback(connection, failed);
                throw atCommit.apply(failed);
            }
            return value;
        }
    }

    static void rollback(Connection connection, Exception cause) {
        try {
            connection.rollback();
        } catch (SQLException lost) {
            cause.addSuppressed(lost);
        }
    }
}
