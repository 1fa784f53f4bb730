package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.classify.SqlState;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/**
 * What there is of a ledger's two tables for the role that asked. Immutable.
 *
 * @param installed whether both tables are there
 * @param lacking   the rights on them that the role lacks, and what the tables lack, in words; not null
 */
public record LedgerTable(boolean installed, List<String> lacking) {

    /** Without it an idempotency key would be worth nothing, and no statement would fail. */
    private static final String KEY_INDEX = "a unique index on idempotency_key";

    private static final List<String> WANTED = List.of("USAGE on the schema", "SELECT", "INSERT", "UPDATE (asked)",
            "UPDATE (result)", "SELECT on the watermark", "UPDATE (one) on the watermark",
            "WAL logging (ALTER TABLE ... SET LOGGED)",
            "WAL logging of the watermark (ALTER TABLE ... SET LOGGED)", KEY_INDEX);

    private static final String QUESTION =
            "SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE'),"
            + " pg_catalog.has_table_privilege(l.oid, 'SELECT'), pg_catalog.has_table_privilege(l.oid, 'INSERT'),"
            + " pg_catalog.has_column_privilege(l.oid, 'asked', 'UPDATE'),"
            + " pg_catalog.has_column_privilege(l.oid, 'result', 'UPDATE'),"
            + " pg_catalog.has_table_privilege(w.oid, 'SELECT'), pg_catalog.has_column_privilege(w.oid, 'one', 'UPDATE'),"
            + " l.relpersistence = 'p', w.relpersistence = 'p',"
            + " EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid"
            + " WHERE i.indrelid = l.oid AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum"
            + " AND a.attname = 'idempotency_key')"
            + " FROM pg_catalog.pg_namespace n"
            + " JOIN pg_catalog.pg_class l ON l.relnamespace = n.oid AND l.relkind = 'r'"
            + " JOIN pg_catalog.pg_class w ON w.relnamespace = n.oid AND w.relkind = 'r'"
            + " WHERE n.nspname = ? AND l.relname = ? AND w.relname = ?";

    /** Whether the engine can write and ask it. */
    public boolean isUsable() {
        return installed && lacking.isEmpty();
    }

    /** Whether an idempotency key can be taken only once. */
    boolean keysAreUnique() {
        return installed && !lacking.contains(KEY_INDEX);
    }

    static LedgerTable read(Connection connection, CommitSchema schema) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(QUESTION)) {
            select.setString(1, schema.name());
            select.setString(2, schema.ledgerTable());
            select.setString(3, schema.watermarkTable());
            try (ResultSet row = select.executeQuery()) {
                return row.next() ? new LedgerTable(true, lacking(row)) : new LedgerTable(false, List.of());
            }
        } catch (SQLException refused) {
            if (SqlState.UNDEFINED_COLUMN.equals(refused.getSQLState())) {
                return new LedgerTable(true, List.of("the columns of a ledger (" + refused.getSQLState() + ")"));
            }
            throw refused;
        }
    }

    private static List<String> lacking(ResultSet row) throws SQLException {
        List<String> lacking = new ArrayList<>();
        for (int i = 0; i < WANTED.size(); i++) {
            if (!row.getBoolean(i + 1)) {
                lacking.add(WANTED.get(i));
            }
        }
        return lacking;
    }
}
