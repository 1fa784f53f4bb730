package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * Makes a "committed" that was seen final. It can be seen before it is durable or replicated: after a cancelled or
 * terminated wait for a synchronous standby, and under {@code synchronous_commit = off}. A logical message written into the
 * asking transaction itself, and that transaction's acknowledged COMMIT with {@code synchronous_commit} at least
 * {@code on}, flushes and replicates everything before it (measured: it waits for a missing synchronous standby, which a
 * transaction that only has an id does not). Stateless and thread-safe.
 */
class Seal {

    private static final String SQL =
            "SELECT pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit')"
            + " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),"
            + " pg_catalog.pg_logical_emit_message(true, 'ctr', '')";

    /** Writes the message into the transaction that is open on the connection. */
    void write(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(SQL);
        }
    }
}
