package io.github.connecttransactretry.chaos;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;

/** The table of one {@link ExactlyOnce}, dropped by {@link #close()}. For one thread. */
final class TrialTable implements AutoCloseable {

    /** Locks are seen by every role, and are let go of only after the transaction's end can be seen. */
    private static final String USERS = "SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', 'pid', l.pid, a.state), ', ')"
            + " FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
            + " WHERE l.relation = pg_catalog.to_regclass(?) AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()"
            + " AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())";

    private static final int TAG = 8;

    private final Connection connection;
    private final Audit audit;
    private String users = "";

    private TrialTable(Connection connection, Audit audit) {
        this.connection = connection;
        this.audit = audit;
    }

    static TrialTable create(Connection connection) throws SQLException {
        connection.setAutoCommit(true);
        String schema;
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT pg_catalog.current_schema()")) {
            row.next();
            schema = row.getString(1);
        }
        if (schema == null) {
            throw new SQLException("the owner's search_path leads to no schema: set one in which a table can be made", "3F000");
        }
        String name = schema + ".exactly_once_" + UUID.randomUUID().toString().replace("-", "");
        Audit audit = Audit.create(connection, name);
        try (Statement statement = connection.createStatement()) {
            statement.execute("GRANT INSERT ON " + name + " TO PUBLIC");
        }
        return new TrialTable(connection, audit);
    }

    /** The name of a call, of this trial alone: its rows may lie among those of other trials. */
    String call(int number) {
        return tag() + number;
    }

    private String tag() {
        return "call-" + audit.table().substring(audit.table().length() - TAG) + "-";
    }

    Audit audit() {
        return audit;
    }

    /** Waits until no transaction that has left a row is open, prepared ones included. It ends nobody. */
    void awaitQuiet(Duration atMost) {
        try {
            Await.until("the last transactions to end", atMost, () -> users().isEmpty());
        } catch (IllegalStateException somebody) {
            throw new IllegalStateException(somebody.getMessage() + "; still open: " + users
                    + ". A connection that was lost in silence may keep its transaction: end its backend", somebody);
        }
    }

    private String users() throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(USERS)) {
            select.setString(1, audit.table());
            try (ResultSet row = select.executeQuery()) {
                row.next();
                users = row.getString(1) == null ? "" : row.getString(1);
                return users;
            }
        }
    }

    /** The report with the effects that the query finds. */
    AuditReport compare(String query) throws SQLException {
        Map<String, Integer> attempts = new TreeMap<>();
        audit.effects(connection).forEach((call, committed) -> attempts.put(call, committed.length));
        Map<String, Integer> own = new TreeMap<>();
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            while (rows.next()) {
                String call = rows.getString(1);
                if (call != null && call.startsWith(tag())) {
                    own.merge(call, 1, Integer::sum);
                }
            }
        }
        return audit.read(connection).withOwnEffects(attempts, own);
    }

    @Override
    public void close() throws SQLException {
        try (Statement statement = connection.createStatement()) {
            // What a backend that never ends still holds must not hold up the test.
            statement.execute("SET lock_timeout = '1s'");
            statement.execute("DROP TABLE " + audit.table());
            statement.execute("RESET lock_timeout");
        } catch (SQLException held) {
            if (!"55P03".equals(held.getSQLState())) {
                throw held;
            }
        }
    }
}
