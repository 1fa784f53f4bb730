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

    /**
     * Under {@code client_min_messages = error} the server keeps to itself that it gave up waiting for a synchronous standby
     * (measured). Ridden along, it costs no message, and lasts until the transaction's end, the wait included.
     */
    static final String WARNINGS_ON = "CASE WHEN pg_catalog.current_setting('client_min_messages') = 'error'"
            + " THEN pg_catalog.set_config('client_min_messages', 'warning', true) END";

    /** For a transaction that writes by itself: its COMMIT is to be acknowledged only when it is durable and replicated. */
    static final String DEMAND =
            "SELECT pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit')"
            + " WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true), " + WARNINGS_ON;

    static final String SQL = DEMAND + ", pg_catalog.pg_logical_emit_message(true, 'ctr', '')";

    /**
     * For a transaction that holds a row for which others wait: if its client is lost between two statements, the server ends it
     * soon.
     */
    static final String FUSE = "SET LOCAL idle_in_transaction_session_timeout = '2s'";

    /** Puts {@link #DEMAND} on the transaction that is open. */
    void demand(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(DEMAND);
        }
    }

    /** Writes the message into the transaction that is open on the connection. */
    void write(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(SQL);
        }
    }
}
