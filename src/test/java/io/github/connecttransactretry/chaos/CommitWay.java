package io.github.connecttransactretry.chaos;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;

/** The ways to send a COMMIT. */
enum CommitWay {
    METHOD, AUTOCOMMIT, SQL, SQL_WITH_COMMENT, END_OF_TEXT, PREPARED, BATCH, PREPARED_CALL;

    void send(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            switch (this) {
                case METHOD -> connection.commit();
                case AUTOCOMMIT -> connection.setAutoCommit(true);
                case SQL -> statement.execute("COMMIT");
                case SQL_WITH_COMMENT -> statement.executeUpdate(" /* at last */ end work");
                case END_OF_TEXT -> statement.execute("SELECT ';COMMIT'; COMMIT");
                case PREPARED -> prepared(connection.prepareStatement("SELECT 1; COMMIT"));
                case PREPARED_CALL -> prepared(connection.prepareCall("SELECT 1; COMMIT"));
                default -> {
                    statement.addBatch("SET LOCAL lock_timeout = 0");
                    statement.addBatch("COMMIT");
                    statement.executeBatch();
                }
            }
        }
    }

    private static void prepared(PreparedStatement commit) throws SQLException {
        try (commit) {
            commit.execute();
        }
    }
}
