package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.outcome.LedgerToken;
import io.github.connecttransactretry.outcome.LedgerWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.util.Objects;
import java.util.Set;

/**
 * The row that one attempt leaves in the ledger, and the COMMIT that takes it along; for an engine that writes no ledger, the
 * plain COMMIT. For one thread.
 */
final class LedgerRow {

    /** No such table or schema: the connection was learnt before they went. */
    private static final Set<String> ABSENCES = Set.of(SqlState.UNDEFINED_TABLE, SqlState.INVALID_SCHEMA_NAME);

    /** Rights or row security; no such column; a column that is too short. */
    private static final Set<String> DENIALS = Set.of(SqlState.INSUFFICIENT_PRIVILEGE, SqlState.UNDEFINED_COLUMN,
            SqlState.STRING_DATA_RIGHT_TRUNCATION);

    private final Settings settings;
    private final TransactionOptions options;
    private final boolean written;
    private final Lease lease;
    private LedgerToken token;
    private boolean claimed;
    private byte[] result;

    LedgerRow(Settings settings, TransactionOptions options, Lease lease) {
        this.settings = settings;
        this.options = options;
        this.lease = lease;
        this.written = options.access() == Access.READ_WRITE && settings.plan().writesLedger(lease.session());
    }

    boolean isWritten() {
        return written;
    }

    IdempotencyKey key() {
        return options.idempotencyKey();
    }

    /** What the COMMIT is going to write, made when it is asked for first; null if it writes nothing. */
    LedgerToken token() {
        if (written && token == null) {
            token = lease.session().ledger().token(settings.tokens().get(), settings.time().nanoTime());
        }
        return token;
    }

    /** Whether the key is to be taken before the function runs. */
    boolean isClaimedFirst() {
        return key() != null && key().claimed();
    }

    /**
     * Takes the key, in one message with what else BEGIN has to say.
     *
     * @param first SQL to go before it, or the empty text
     */
    void claim(Connection connection, String first) throws SQLException {
        writer().claim(connection, first, token().token(), key(), options.label());
        claimed = true;
    }

    /**
     * Encodes the value that the row is to keep.
     *
     * @throws TransactionRefusedException if the key's codec cannot
     */
    @SuppressWarnings("unchecked")
    void keep(Object value) {
        if (key() == null || value == null) {
            return;
        }
        try {
            // A null would be taken for a null result.
            result = Objects.requireNonNull(((ResultCodec<Object>) key().codec()).encode(value), "encode returned null");
        } catch (RuntimeException refused) {
            throw Refusals.notEncoded(key(), refused);
        }
    }

    /** What the server warned of meanwhile if it was not told of the connection, or null. */
    SQLWarning commit(Connection connection) throws SQLException {
        if (!written || claimed && result == null) {
            connection.commit();
            return null;
        }
        if (claimed) {
            return writer().complete(connection, token().token(), result);
        }
        return key() != null ? writer().commit(connection, token().token(), key(), options.label(), result)
                : writer().commit(connection, token().token());
    }

    /** Whether the row was refused because its key, or its token, is there already. */
    boolean isRefusedBy(Throwable thrown) {
        return written && thrown instanceof SQLException && SqlState.UNIQUE_VIOLATION.equals(((SQLException) thrown).getSQLState())
                && settings.schema().isLedger(lease.driver().violatedTable(thrown));
    }

    /** Whether the row was refused for want of rights, of the table, of a session that may write, or of the claim. */
    boolean isDeniedBy(Throwable thrown) {
        if (!written || !(thrown instanceof SQLException) || claimed && result == null) {
            return false;
        }
        String sqlState = String.valueOf(((SQLException) thrown).getSQLState());
        return DENIALS.contains(sqlState) || ABSENCES.contains(sqlState)
                || claimed && SqlState.DIVISION_BY_ZERO.equals(sqlState) || isReadOnlyByFunction(sqlState);
    }

    /** A server that says of itself that it may be written to (14 and newer): so it was the function that forbade it. */
    private boolean isReadOnlyByFunction(String sqlState) {
        return SqlState.READ_ONLY_SQL_TRANSACTION.equals(sqlState) && Judgement.isKnownWritable(lease);
    }

    /** Whether the ledger is not where it was when the connection was learnt. */
    boolean isGone(Throwable thrown) {
        return isDeniedBy(thrown) && ABSENCES.contains(((SQLException) thrown).getSQLState());
    }

    /** Whether a role's lock_timeout cut the wait for another call with the same key. */
    boolean isKeyAwaited(Throwable thrown) {
        return written && key() != null && thrown instanceof SQLException
                && SqlState.LOCK_NOT_AVAILABLE.equals(((SQLException) thrown).getSQLState());
    }

    private LedgerWriter writer() {
        return settings.writer();
    }
}
