package io.github.connecttransactretry.chaos;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The client backends of a database but the one that asks. For one thread, as its connection is. */
public final class OtherBackends {

    /** Of another role all but pid, database and role is NULL to those who may not look; autovacuum has no role. */
    private static final String THEIRS = " FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()"
            + " AND pid <> pg_catalog.pg_backend_pid() AND usename IS NOT NULL"
            + " AND coalesce(backend_type, 'client backend') = 'client backend'";
    private static final String OF_ROLES = " AND (pg_catalog.cardinality(?::text[]) = 0 OR usename = ANY (?::text[]))";
    private static final String OF_APPLICATION = " AND application_name = ANY (?::text[])";

    private static final String LEFT = "SELECT pg_catalog.concat_ws(' ', 'pid', pid, 'role', usename, state, xact_start)";
    private static final String PREPARED = " UNION ALL SELECT 'prepared transaction ' || gid FROM pg_catalog.pg_prepared_xacts"
            + " WHERE database = pg_catalog.current_database()";

    private final Connection connection;
    private final String which;
    private final String prepared;
    private final String[] names;
    private String left = "";

    private OtherBackends(Connection connection, String which, String prepared, String... names) {
        this.connection = connection;
        this.which = THEIRS + which;
        this.prepared = prepared;
        this.names = names.clone();
    }

    /**
     * Those of the roles, or all if none is named; prepared transactions are looked for too.
     *
     * @param connection in autocommit, to the database in question
     * @param roles names of roles
     * @return the backends, looked for anew by each method
     */
    public static OtherBackends ofRoles(Connection connection, String... roles) {
        return new OtherBackends(connection, OF_ROLES, PREPARED, roles);
    }

    /**
     * Those that bear this application_name and nobody else's, on a server that others may use.
     *
     * @param connection in autocommit, to the database in question
     * @param application the whole name
     * @return the backends, looked for anew by each method
     */
    public static OtherBackends ofApplication(Connection connection, String application) {
        return new OtherBackends(connection, OF_APPLICATION, "", application);
    }

    /**
     * Their process ids.
     *
     * @return those of now, in no order
     * @throws SQLException if they cannot be asked for
     */
    public List<Integer> pids() throws SQLException {
        List<Integer> pids = new ArrayList<>();
        try (PreparedStatement select = prepare("SELECT pid" + which); ResultSet rows = select.executeQuery()) {
            while (rows.next()) {
                pids.add(rows.getInt(1));
            }
        }
        return pids;
    }

    /**
     * Tells all of them to end ({@code pg_terminate_backend}).
     *
     * @return how many were told
     * @throws SQLException if one may not be told
     */
    public int end() throws SQLException {
        try (PreparedStatement select = prepare("SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid))" + which);
                ResultSet row = select.executeQuery()) {
            row.next();
            return row.getInt(1);
        }
    }

    /**
     * Waits until there is none.
     *
     * @param atMost the bound
     * @throws IllegalStateException at the bound, naming who is left
     */
    public void awaitNone(Duration atMost) {
        try {
            Await.until("the database to be left alone", atMost, () -> left().isEmpty());
        } catch (IllegalStateException somebody) {
            throw new IllegalStateException(somebody.getMessage() + "; there is still: " + left, somebody);
        }
    }

    private String left() throws SQLException {
        StringBuilder all = new StringBuilder();
        try (PreparedStatement select = prepare(LEFT + which + prepared + " LIMIT 10"); ResultSet rows = select.executeQuery()) {
            while (rows.next()) {
                all.append(all.isEmpty() ? "" : "; ").append(rows.getString(1));
            }
        }
        left = all.toString();
        return left;
    }

    private PreparedStatement prepare(String sql) throws SQLException {
        PreparedStatement statement = connection.prepareStatement(sql);
        for (int parameter = 1; parameter <= statement.getParameterMetaData().getParameterCount(); parameter++) {
            statement.setArray(parameter, connection.createArrayOf("text", names));
        }
        return statement;
    }
}
