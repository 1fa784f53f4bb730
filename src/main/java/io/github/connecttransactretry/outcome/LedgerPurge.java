package io.github.connecttransactretry.outcome;

import java.time.OffsetDateTime;

/**
 * What a purge did. Immutable.
 *
 * @param purgedBefore the watermark as it is now, not null
 * @param rows         rows of committed calls that were deleted
 * @param tombstones   tombstones that were deleted
 * @param oldestOpen   when the oldest transaction began that was still running, so that later tombstones were kept; null if none
 *                     was running, or if that is hidden from the role
 * @param openHidden   whether the role could not see when other roles' transactions began, so that all tombstones were kept
 */
public record LedgerPurge(OffsetDateTime purgedBefore, long rows, long tombstones, OffsetDateTime oldestOpen,
                          boolean openHidden) {
}
