package io.github.connecttransactretry.outcome;

import java.time.Instant;
import java.util.UUID;

/**
 * What was seen of the ledger when a physical connection was learnt. Immutable.
 *
 * @param ledger       which ledger it is, not null
 * @param enabled      whether engines write it without being told to
 * @param databaseTime the server's clock at the moment of reading, not null
 * @param readNanos    the engine's monotonic time directly after the reading
 */
public record LedgerSight(UUID ledger, boolean enabled, Instant databaseTime, long readNanos) {

    /**
     * A token for one attempt.
     *
     * @param token made anew, not null
     * @param nanos the engine's monotonic time now
     */
    public LedgerToken token(UUID token, long nanos) {
        return new LedgerToken(ledger, token, databaseTime.plusNanos(nanos - readNanos));
    }
}
