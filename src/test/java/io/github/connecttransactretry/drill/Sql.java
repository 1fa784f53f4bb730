package io.github.connecttransactretry.drill;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** One statement on a connection, for tests. */
final class Sql {

    private Sql() {
    }

    static void run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    static String value(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(query)) {
            return row.next() ? row.getString(1) : null;
        }
    }

    static int number(Connection connection, String query) throws SQLException {
        return Integer.parseInt(value(connection, query));
    }

    /** Asks on a connection of its own. */
    static String value(PostgresServer server, String query) throws SQLException {
        try (Connection connection = server.connect()) {
            return value(connection, query);
        }
    }

    static void run(PostgresServer server, String sql) throws SQLException {
        try (Connection connection = server.connect()) {
            run(connection, sql);
        }
    }

    /** An open transaction on a new connection. */
    static Connection begin(PostgresServer server, int port) throws SQLException {
        Connection connection = server.connect(port);
        connection.setAutoCommit(false);
        return connection;
    }
}
