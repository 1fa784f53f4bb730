package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.ground.OwnTransaction;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.HexFormat;
import java.util.Optional;
import java.util.UUID;

/**
 * Writes a transaction's row into the ledger, in the very message of its COMMIT: if the row is refused, the server skips the
 * COMMIT (extended protocol) or makes it a rollback (simple). The INSERT is a plain one, so that a late one fails on a
 * tombstone at every isolation level; {@code ON CONFLICT DO NOTHING} would let the late COMMIT through (both measured).
 * Stateless and thread-safe.
 */
public final class LedgerWriter {

    /**
     * The row's kind. Under {@code client_min_messages = error} the server keeps to itself that it gave up waiting for a
     * synchronous standby; turned on here, warnings stay on for that wait.
     */
    private static final String COMMITTED = "pg_catalog.concat('committed', pg_catalog.left(" + Seal.WARNINGS_ON + ", 0))";

    private static final String COMMIT = "; COMMIT";

    /** As text: pgjdbc's literal of bytes at query mode simple is wrong if backslashes are not plain characters (measured). */
    private static final String BYTES = "pg_catalog.decode(?::text, 'hex')";

    /** At a session's SERIALIZABLE two repeats that meet at a row would be a conflict. */
    private static final String READ_COMMITTED = OwnTransaction.READ_COMMITTED + "; ";

    private final String insert;
    private final String insertKeyed;
    private final String complete;
    private final String find;
    private final String touch;

    /**
     * A writer.
     *
     * @param schema where the ledger is
     */
    public LedgerWriter(CommitSchema schema) {
        this(schema, "");
    }

    /** For tests, which let the INSERT pass over a row that is there and must see that the audit catches it. */
    LedgerWriter(CommitSchema schema, String onConflict) {
        this.insert = "INSERT INTO " + schema.ledger() + " (token, kind) VALUES (?, " + COMMITTED + ")" + onConflict;
        this.insertKeyed = "INSERT INTO " + schema.ledger() + " (token, kind, idempotency_key, label, fingerprint, codec, result)"
                + " VALUES (?, " + COMMITTED + ", ?, ?, ?, ?, " + BYTES + ")" + onConflict;
        // A row that is not there, or that the function's role cannot see, fails here rather than losing the result.
        this.complete = "WITH completed AS (UPDATE " + schema.ledger() + " SET result = " + BYTES + " WHERE token = ? RETURNING token)"
                + " SELECT 1 / pg_catalog.count(*) FROM completed";
        this.find = "SELECT label, fingerprint, codec, result FROM " + schema.ledger() + " WHERE idempotency_key = ?";
        this.touch = READ_COMMITTED + Seal.FUSE + "; " + Seal.DEMAND + "; UPDATE " + schema.ledger()
                + " SET asked = pg_catalog.now() WHERE idempotency_key = ?";
    }

    /**
     * Commits the open transaction together with its row.
     *
     * @return what the server warned of meanwhile, which the driver tells of the statement and not of the connection; or null
     * @throws SQLException if the server refused or the connection was lost; whether it is committed is then for the caller to
     *                      find out
     */
    public SQLWarning commit(Connection connection, UUID token) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(insert + COMMIT)) {
            statement.setObject(1, token);
            statement.execute();
            return statement.getWarnings();
        }
    }

    /**
     * Commits the open transaction together with its row, which bears an idempotency key and a result.
     *
     * @param result null for a null
     * @return as {@link #commit(Connection, UUID)}
     * @throws SQLException as {@link #commit(Connection, UUID)}
     */
    public SQLWarning commit(Connection connection, UUID token, IdempotencyKey key, String label, byte[] result)
            throws SQLException {
        return insertKeyed(connection, "", insertKeyed + COMMIT, token, key, label, result);
    }

    /**
     * Writes the row before the work is done.
     *
     * @param first SQL to go before it in the same message, or the empty text
     * @throws SQLException if another transaction has the key, or the connection was lost
     */
    public void claim(Connection connection, String first, UUID token, IdempotencyKey key, String label) throws SQLException {
        insertKeyed(connection, first.isEmpty() ? "" : first + "; ", insertKeyed, token, key, label, null);
    }

    /**
     * Commits the open transaction, which has claimed its row before, together with the result.
     *
     * @return as {@link #commit(Connection, UUID)}
     * @throws SQLException as {@link #commit(Connection, UUID)}
     */
    public SQLWarning complete(Connection connection, UUID token, byte[] result) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(complete + COMMIT)) {
            statement.setString(1, hex(result));
            statement.setObject(2, token);
            statement.execute();
            return statement.getWarnings();
        }
    }

    private static SQLWarning insertKeyed(Connection connection, String first, String sql, UUID token, IdempotencyKey key,
                                          String label, byte[] result) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(first + sql)) {
            statement.setObject(1, token);
            statement.setString(2, key.key());
            statement.setString(3, label);
            statement.setString(4, key.fingerprint());
            statement.setString(5, key.codec().name());
            statement.setString(6, hex(result));
            statement.execute();
            return statement.getWarnings();
        }
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? null : HexFormat.of().formatHex(bytes);
    }

    /**
     * The row of an idempotency key.
     *
     * @param label       of the call that wrote it
     * @param fingerprint of its request, or null
     * @param codec       the name of the codec that its result is in
     * @param result      null for a null
     */
    public record StoredRow(String label, String fingerprint, String codec, byte[] result) {
    }

    /**
     * Looks a key up.
     *
     * @param connection in autocommit: in the transaction it would fix the snapshot
     * @throws SQLException if it cannot be asked
     */
    public Optional<StoredRow> find(Connection connection, IdempotencyKey key) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(find)) {
            select.setString(1, key.key());
            try (ResultSet row = select.executeQuery()) {
                return row.next()
                        ? Optional.of(new StoredRow(row.getString(1), row.getString(2), row.getString(3), row.getBytes(4)))
                        : Optional.empty();
            }
        }
    }

    /**
     * Writes into the open transaction: once that is acknowledged, a row that was seen before is as durable and as replicated as
     * the server demands, however early it was seen. Locks nothing.
     *
     * @param connection with a transaction in which nothing was done yet
     * @throws SQLException if it cannot be written
     */
    public void seal(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(READ_COMMITTED + Seal.SQL);
        }
    }

    /**
     * The same for a server without {@code pg_logical_emit_message}: writes to the key's row, which others then wait for.
     *
     * @param connection with a transaction in which nothing was done yet
     * @return false if the row is gone
     * @throws SQLException if it cannot be written
     */
    public boolean seal(Connection connection, IdempotencyKey key) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement(touch)) {
            update.setString(1, key.key());
            update.execute();
            // After the answers to SET, SET and SELECT.
            update.getMoreResults();
            update.getMoreResults();
            update.getMoreResults();
            return update.getUpdateCount() == 1;
        }
    }
}
