package io.github.connecttransactretry.outcome;

import java.time.OffsetDateTime;

/**
 * The size and age of a ledger. Immutable.
 *
 * @param rows         all rows
 * @param tombstones   how many of them keep a COMMIT out
 * @param keyed        how many of them bear an idempotency key
 * @param oldest       when the oldest was written, or null if there is none
 * @param bytes        on disk, index and dead rows included
 * @param purgedBefore up to when rows may have been purged, or null if none ever were
 * @param enabled      whether engines write the ledger without being told to
 */
public record LedgerFigures(long rows, long tombstones, long keyed, OffsetDateTime oldest, long bytes,
                            OffsetDateTime purgedBefore, boolean enabled) {
}
