package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.outcome.ServerProfile.IncarnationTable;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.UUID;
import java.util.function.LongSupplier;

/**
 * Reads a {@link ServerSession} in one statement. A role with LOGIN may call all of it (measured on 13 to 18). Stateless
 * but for the SQL, which depends on what the server offers; thread-safe.
 */
public final class SessionReader {

    private static final String UTC = "'YYYY-MM-DD\"T\"HH24:MI:SS.US'";

    /** In UTC and in one format, since the session's own time zone and DateStyle may differ from reading to reading. */
    static final String BACKEND_START = "pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', " + UTC + ")";

    /** Null on any server that is not a node of an EDB PGD cluster. */
    static final String NODE = "pg_catalog.current_setting('bdr.local_node_id', true)";

    private static final String BACKEND =
            "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid(),"
            + " pg_catalog.current_database(),"
            + " pg_catalog.current_setting('default_transaction_isolation'),"
            + " pg_catalog.current_setting('synchronous_commit'), " + NODE;

    private static final String START =
            ", (SELECT " + BACKEND_START + " FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid()) AS start";

    /** The timeline only out of recovery, where asking for it is an error (55000). */
    static final String INCARNATION =
            "(SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system,"
            + " CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN"
            + " pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END AS timeline,"
            + " pg_catalog.to_char(pg_catalog.pg_stat_get_bgwriter_stat_reset_time() AT TIME ZONE 'UTC', " + UTC
            + ") AS reset";

    /** The clock that the ledger's rows are stamped by, and the watermark's row; nothing where row security hides that. */
    private static final String LEDGER = ", s.ledger, s.enabled,"
            + " (EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint AS micros"
            + " FROM (SELECT) AS always LEFT JOIN (SELECT w.ledger::text, w.enabled FROM ";

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
     * Reads the session and sees which ledger there is, and puts the incarnation's row in if a crash has emptied the table.
     *
     * @param physical in autocommit: the row must not ride in a user's transaction
     * @param time     the engine's monotonic time
     * @throws SQLException if it cannot be read
     */
    public ServerSession learn(PhysicalConnection physical, LongSupplier time) throws SQLException {
        ServerSession session = read(physical, time);
        boolean empty = session.incarnation() != null && "".equals(session.incarnation().life());
        if (empty && profile.table() == IncarnationTable.USABLE) {
            try (Statement insert = physical.identity().createStatement()) {
                insert.execute("INSERT INTO " + schema.incarnationTable() + " DEFAULT VALUES ON CONFLICT DO NOTHING");
            }
            return read(physical, time);
        }
        return session;
    }

    /**
     * Reads the session and changes nothing, inside a transaction or outside. Does not look for a ledger.
     *
     * @throws SQLException if it cannot be read
     */
    public ServerSession read(PhysicalConnection physical) throws SQLException {
        return read(physical, null);
    }

    private ServerSession read(PhysicalConnection physical, LongSupplier time) throws SQLException {
        boolean askTable = profile.table() == IncarnationTable.USABLE || profile.table() == IncarnationTable.READ_ONLY;
        boolean askLedger = time != null && profile.ledger().isUsable();
        if (!askTable || "on".equals(physical.parameterStatus("in_hot_standby"))) {
            return read(physical, false, askLedger, time);
        }
        try {
            return read(physical, true, askLedger, time);
        } catch (SQLException refused) {
            // Before 14 a server does not report in_hot_standby, and an UNLOGGED table cannot even be named in recovery.
            if (physical.identity().getAutoCommit() && SqlState.FEATURE_NOT_SUPPORTED.equals(refused.getSQLState())) {
                return read(physical, false, askLedger, time);
            }
            throw refused;
        }
    }

    private ServerSession read(PhysicalConnection physical, boolean askTable, boolean askLedger, LongSupplier time)
            throws SQLException {
        boolean incarnation = profile.refusalOfTransactionIds().isEmpty();
        String sql = BACKEND + (profile.activity() ? START : "") + (incarnation ? ", " + INCARNATION : "")
                + (askTable ? ", (SELECT id::text FROM " + schema.incarnationTable() + ") AS life" : "")
                + (askLedger ? LEDGER + schema.watermark() + " w) s ON true" : "");
        try (PreparedStatement select = physical.identity().prepareStatement(sql); ResultSet row = select.executeQuery()) {
            row.next();
            boolean inRecovery = row.getBoolean(1);
            boolean pooled = row.getInt(2) != physical.backendPid();
            return new ServerSession(new Backend(row.getInt(2), pooled || !profile.activity() ? null : row.getString("start")),
                    pooled, inRecovery, row.getString(3), row.getString(4), row.getString(5),
                    incarnation && !inRecovery ? incarnation(row, askTable) : null, askLedger ? ledger(row, time) : null,
                    row.getString(6));
        }
    }

    private Incarnation incarnation(ResultSet row, boolean askTable) throws SQLException {
        String life = profile.table() == IncarnationTable.UNREADABLE ? "" : null;
        if (askTable) {
            life = row.getString("life") == null ? "" : row.getString("life");
        }
        return new Incarnation(row.getString("system"), row.getString("timeline"), row.getString("reset"), life);
    }

    private static LedgerSight ledger(ResultSet row, LongSupplier time) throws SQLException {
        long micros = row.getLong("micros");
        String ledger = row.getString("ledger");
        return ledger == null ? null : new LedgerSight(UUID.fromString(ledger), row.getBoolean("enabled"),
                Instant.EPOCH.plus(micros, ChronoUnit.MICROS), time.getAsLong());
    }
}
