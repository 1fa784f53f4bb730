package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.TransactionState;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.outcome.LedgerWriter;
import io.github.connecttransactretry.outcome.LedgerWriter.StoredRow;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Objects;
import java.util.Optional;

/** What an earlier call with the same idempotency key left in the ledger, looked up before the work is done. For one thread. */
final class StoredResult {

    private final LedgerWriter ledger;
    private final TransactionOptions options;
    private final Lease lease;

    StoredResult(LedgerWriter ledger, TransactionOptions options, Lease lease) {
        this.ledger = ledger;
        this.options = options;
        this.lease = lease;
    }

    /** A result, which may be null. */
    record Found<T>(T value) {
    }

    /**
     * The result that the key has already; empty if it has none.
     *
     * @throws IdempotencyConflictException if the key was used for something else
     * @throws SQLException                 if the server cannot be asked, or does not acknowledge that the result is there to stay
     */
    <T> Optional<Found<T>> find() throws SQLException {
        IdempotencyKey key = options.idempotencyKey();
        Connection connection = lease.connection();
        connection.setReadOnly(false);
        connection.setAutoCommit(true);
        Optional<StoredRow> row = ledger.find(connection, key);
        if (row.isEmpty()) {
            return Optional.empty();
        }
        requireSameCall(key, row.get());
        T value = decoded(key, row.get());
        return sealed(connection, key) ? Optional.of(new Found<>(value)) : Optional.empty();
    }

    private void requireSameCall(IdempotencyKey key, StoredRow row) {
        requireSame(key, "label", row.label(), options.label());
        requireSame(key, "fingerprint", row.fingerprint(), key.fingerprint());
        requireSame(key, "codec", row.codec(), key.codec().name());
    }

    private static void requireSame(IdempotencyKey key, String what, String before, String now) {
        if (!Objects.equals(before, now)) {
            throw Refusals.keyOfAnotherCall(key, what, before, now);
        }
    }

    @SuppressWarnings("unchecked")
    private static <T> T decoded(IdempotencyKey key, StoredRow row) {
        try {
            return row.result() == null ? null : (T) ((ResultCodec<Object>) key.codec()).decode(row.result());
        } catch (RuntimeException unreadable) {
            throw Refusals.notDecoded(key, unreadable);
        }
    }

    /** A commit can be seen before it is durable or replicated; one of ours after it, acknowledged, makes it both. */
    private boolean sealed(Connection connection, IdempotencyKey key) throws SQLException {
        connection.setAutoCommit(false);
        boolean there = true;
        if (lease.session().offersTransactionIds()) {
            ledger.seal(connection);
        } else {
            there = ledger.seal(connection, key);
        }
        connection.clearWarnings();
        connection.commit();
        if (lease.physical().transactionState() != TransactionState.IDLE
                || ReplicationWarning.of(connection, lease.driver()::serverRoutine) != null) {
            throw new SQLException("the stored result was found, but the server gave up replicating it",
                    SqlState.CONNECTION_DOES_NOT_EXIST);
        }
        return there;
    }
}
