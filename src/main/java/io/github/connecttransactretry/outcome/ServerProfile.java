package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What one server offers: its version, the functions that an outcome by transaction id needs, and the library's tables.
 * Asked once per engine, in autocommit, never inside a user's transaction. Immutable.
 *
 * @param versionNumber {@code server_version_num}, for example 170007
 * @param version       {@code server_version} as the server spells it, not null
 * @param missing       the functions of {@code pg_catalog} that are needed and not there, or not to be called by the role,
 *                      not null
 * @param table         the state of the incarnation table, not null
 * @param ledger        the state of the ledger's tables, not null
 * @param activity      whether {@code pg_stat_activity} may be read, so that backends can be told apart and fenced
 */
public record ServerProfile(int versionNumber, String version, List<String> missing, IncarnationTable table,
                            LedgerTable ledger, boolean activity) {

    /** What there is of the incarnation table. */
    public enum IncarnationTable {
        /** It is not installed: the incarnation is told by what every server has. */
        ABSENT,
        /** It is there and can be read, and its row be put in when a crash has emptied it. */
        USABLE,
        /** It is there and can be read, but the role has no right to put the row in. */
        READ_ONLY,
        /** It is there and the role may not read it, so that no incarnation can be told at all. */
        UNREADABLE,
        /** A table of that name is there but is not UNLOGGED: no crash would empty it, so it is not used. */
        NOT_UNLOGGED
    }

    private static final int FIRST_WITH_XID8 = 130_000;

    private static final List<String> NEEDED = List.of("pg_current_xact_id", "pg_xact_status", "pg_control_system",
            "pg_current_wal_insert_lsn", "pg_walfile_name", "pg_stat_get_bgwriter_stat_reset_time", "pg_logical_emit_message");

    /**
     * Asks the server.
     *
     * @param connection in autocommit
     * @param schema     where the incarnation table would be
     * @throws SQLException if it cannot be asked
     */
    public static ServerProfile read(Connection connection, CommitSchema schema) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(
                "SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.current_setting('server_version'),"
                        + " pg_catalog.has_table_privilege('pg_catalog.pg_stat_activity', 'SELECT')");
                ResultSet row = select.executeQuery()) {
            row.next();
            int number = row.getInt(1);
            return new ServerProfile(number, row.getString(2), missing(connection), table(connection, schema),
                    LedgerTable.read(connection, schema), row.getBoolean(3));
        }
    }

    private static List<String> missing(Connection connection) throws SQLException {
        List<String> missing = new ArrayList<>();
        try (PreparedStatement select = connection.prepareStatement(
                "SELECT f FROM pg_catalog.unnest(?::text[]) AS needed(f) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_proc p"
                        + " WHERE p.proname = f AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace"
                        + " AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))")) {
            select.setArray(1, connection.createArrayOf("text", NEEDED.toArray()));
            try (ResultSet rows = select.executeQuery()) {
                while (rows.next()) {
                    missing.add(rows.getString(1));
                }
            }
        }
        return missing;
    }

    private static IncarnationTable table(Connection connection, CommitSchema schema) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(
                "SELECT c.relpersistence = 'u', pg_catalog.has_schema_privilege(n.oid, 'USAGE'),"
                        + " pg_catalog.has_table_privilege(c.oid, 'SELECT'), pg_catalog.has_table_privilege(c.oid, 'INSERT')"
                        + " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                        + " WHERE n.nspname = ? AND c.relname = ? AND c.relkind = 'r'")) {
            select.setString(1, schema.name());
            select.setString(2, CommitSchema.INCARNATION);
            try (ResultSet row = select.executeQuery()) {
                if (!row.next()) {
                    return IncarnationTable.ABSENT;
                }
                if (!row.getBoolean(1)) {
                    return IncarnationTable.NOT_UNLOGGED;
                }
                if (!row.getBoolean(2) || !row.getBoolean(3)) {
                    return IncarnationTable.UNREADABLE;
                }
                return row.getBoolean(4) ? IncarnationTable.USABLE : IncarnationTable.READ_ONLY;
            }
        }
    }

    /** Why a commit cannot be looked up by transaction id here, with the mend; empty if it can. */
    public Optional<String> refusalOfTransactionIds() {
        if (versionNumber < FIRST_WITH_XID8) {
            return Optional.of("finding out what became of a COMMIT by transaction id needs PostgreSQL 13 or newer"
                    + " (pg_current_xact_id), and this server is " + version
                    + ": upgrade it, or build the engine with outcome(OutcomeMode.LEDGER) or outcome(OutcomeMode.NONE)");
        }
        return missing.isEmpty() ? Optional.empty() : Optional.of("this server (" + version
                + ") lacks what finding out by transaction id needs, or does not let this role call it: "
                + String.join(", ", missing)
                + "; build the engine with outcome(OutcomeMode.LEDGER) or outcome(OutcomeMode.NONE)");
    }
}
