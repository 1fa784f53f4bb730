package io.github.connecttransactretry.outcome;

import java.time.Instant;
import java.util.Objects;
import java.util.UUID;

/**
 * What one attempt was to write into a {@link CommitLedger ledger} in its COMMIT message. Immutable.
 *
 * @param ledger    which ledger, as its watermark row says, not null
 * @param token     the row's primary key, made anew for each attempt, not null
 * @param notBefore a moment of the database's clock that the row cannot be older than: its time when the physical connection
 *                  was learnt, plus the monotonic time since; not null
 */
public record LedgerToken(UUID ledger, UUID token, Instant notBefore) {

    /** Checks for null. */
    public LedgerToken {
        Objects.requireNonNull(ledger, "ledger");
        Objects.requireNonNull(token, "token");
        Objects.requireNonNull(notBefore, "notBefore");
    }
}
