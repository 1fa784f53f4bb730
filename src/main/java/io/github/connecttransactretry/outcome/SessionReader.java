package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.outcome.ServerProfile.IncarnationTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * Reads a {@link ServerSession} in one statement. A role with LOGIN may call all of it (measured on 13 to 18). Stateless
 * but for the SQL, which depends on what the server offers; thread-safe.
 */
public final class SessionReader {

    private static final String UTC = "'YYYY-MM-DD\"T\"HH24:MI:SS.US'";

    /** In UTC and in one format, since the session's own time zone and DateStyle may differ from reading to reading. */
    static final String BACKEND_START = "pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', " + UTC + ")";

    private static final String IDENTITY =
            "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid(),"
            + " (SELECT " + BACKEND_START + " FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid()),"
            + " pg_catalog.current_database(),"
            + " pg_catalog.current_setting('default_transaction_isolation'),"
            + " pg_catalog.current_setting('synchronous_commit')";

    /** The timeline only out of recovery, where asking for it is an error (55000). */
    static final String INCARNATION =
            "(SELECT system_identifier::text FROM pg_catalog.pg_control_system()),"
            + " CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN"
            + " pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END,"
            + " pg_catalog.to_char(pg_catalog.pg_stat_get_bgwriter_stat_reset_time() AT TIME ZONE 'UTC', " + UTC + ")";

    private final CommitSchema schema;
    private final ServerProfile profile;

    /**
     * For one server.
     *
     * @param schema  where the incarnation table is, if it is there
     * @param profile what the server offers
     */
    public SessionReader(CommitSchema schema, ServerProfile profile) {
        this.schema = schema;
        this.profile = profile;
    }

    /**
     * Reads the session, and puts the incarnation's row in if a crash has emptied the table.
     *
     * @param physical in autocommit: the row must not ride in a user's transaction
     * @throws SQLException if it cannot be read
     */
    public ServerSession learn(PhysicalConnection physical) throws SQLException {
        ServerSession session = read(physical);
        boolean empty = session.incarnation() != null && "".equals(session.incarnation().life());
        if (empty && profile.table() == IncarnationTable.USABLE) {
            try (Statement insert = physical.identity().createStatement()) {
                insert.execute("INSERT INTO " + schema.incarnationTable() + " DEFAULT VALUES ON CONFLICT DO NOTHING");
            }
            return read(physical);
        }
        return session;
    }

    /**
     * Reads the session and changes nothing, inside a transaction or outside.
     *
     * @throws SQLException if it cannot be read
     */
    public ServerSession read(PhysicalConnection physical) throws SQLException {
        boolean askTable = profile.table() == IncarnationTable.USABLE || profile.table() == IncarnationTable.READ_ONLY;
        if (!askTable || "on".equals(physical.parameterStatus("in_hot_standby"))) {
            return read(physical, false);
        }
        try {
            return read(physical, true);
        } catch (SQLException refused) {
            // Before 14 a server does not report in_hot_standby, and an UNLOGGED table cannot even be named in recovery.
            if (physical.identity().getAutoCommit() && SqlState.FEATURE_NOT_SUPPORTED.equals(refused.getSQLState())) {
                return read(physical, false);
            }
            throw refused;
        }
    }

    private ServerSession read(PhysicalConnection physical, boolean askTable) throws SQLException {
        Connection connection = physical.identity();
        boolean incarnation = profile.refusalOfTransactionIds().isEmpty();
        String sql = IDENTITY
                + (incarnation ? ", " + INCARNATION : "")
                + (askTable ? ", (SELECT id::text FROM " + schema.incarnationTable() + ")" : "");
        try (PreparedStatement select = connection.prepareStatement(sql); ResultSet row = select.executeQuery()) {
            row.next();
            boolean inRecovery = row.getBoolean(1);
            boolean pooled = row.getInt(2) != physical.backendPid();
            return new ServerSession(new Backend(row.getInt(2), pooled ? null : row.getString(3)), pooled, inRecovery,
                    row.getString(4), row.getString(5), row.getString(6),
                    incarnation && !inRecovery ? incarnation(row, askTable) : null);
        }
    }

    private Incarnation incarnation(ResultSet row, boolean askTable) throws SQLException {
        String life = profile.table() == IncarnationTable.UNREADABLE ? "" : null;
        if (askTable) {
            life = row.getString(10) == null ? "" : row.getString(10);
        }
        return new Incarnation(row.getString(7), row.getString(8), row.getString(9), life);
    }
}
