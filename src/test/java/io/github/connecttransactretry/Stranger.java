package io.github.connecttransactretry;

import io.github.connecttransactretry.drill.PostgresServer;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** Somebody else's transaction under an id that the server gave out, lost in a crash, and gives out again. For one thread. */
final class Stranger implements AutoCloseable {

    private final Connection connection;

    private Stranger(Connection connection) {
        this.connection = connection;
    }

    /** The server had flushed the id, so that it is not given out again: the crash came too late to lose it. */
    static final class NotReused extends IllegalStateException {

        private static final long serialVersionUID = 1L;

        NotReused(long wanted, long got) {
            super("id " + wanted + " is not given out again, the next one is " + got);
        }
    }

    /**
     * Begins transactions until one bears the id.
     *
     * @throws NotReused if the server has gone past it
     */
    static Stranger take(PostgresServer server, long id) throws SQLException {
        Connection connection = server.connect();
        try {
            connection.setAutoCommit(false);
            while (true) {
                long mine = id(connection);
                if (mine == id) {
                    return new Stranger(connection);
                }
                connection.commit();
                if (mine > id) {
                    throw new NotReused(id, mine);
                }
            }
        } catch (SQLException | RuntimeException failed) {
            connection.close();
            throw failed;
        }
    }

    /** Takes the id and commits under it. */
    static void commitAs(PostgresServer server, long id) throws SQLException {
        try (Stranger stranger = take(server, id)) {
            stranger.connection.commit();
        }
    }

    private static long id(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT pg_current_xact_id()::text")) {
            row.next();
            return row.getLong(1);
        }
    }

    /** Rolls back unless it was committed. */
    @Override
    public void close() throws SQLException {
        connection.close();
    }
}
