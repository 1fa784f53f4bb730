package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.AuditReport;
import java.util.Set;

/**
 * What the drill has to say in the end. Immutable.
 *
 * @param audit what the audit found
 * @param counts what the engine told
 * @param excused the calls that had evidence and no proof when the crash was ordered: as many may be unknown, and none
 *     without a crash
 * @param moneyBefore the sum of all accounts before the first transfer
 * @param moneyAfter the same after the last
 */
record Verdict(AuditReport audit, DoubtBook.Counts counts, Set<String> excused, long moneyBefore, long moneyAfter) {

    /** {@code exactly-once}, or what it is instead. */
    String word() {
        if (!audit.isExactlyOnce() || moneyBefore != moneyAfter) {
            return "not-exactly-once";
        }
        if (audit.unknown().size() > excused.size()) {
            return "too-many-unknown";
        }
        // A drill in which nothing went through has shown nothing.
        return audit.acknowledged() == 0 ? "nothing-acknowledged" : "exactly-once";
    }

    int exitCode() {
        return word().equals("exactly-once") ? 0 : 1;
    }

    /** The last line of the drill. */
    String line() {
        return "verdict: " + word() + " acknowledged=" + audit.acknowledged() + " committed=" + audit.committed()
                + " doubled=" + audit.doubled() + " lost=" + audit.lost() + " wrong=" + audit.wrong()
                + " unknown=" + audit.unknown().size() + " retries=" + counts.retries() + " in-doubt=" + counts.inDoubt()
                + " resolved-committed=" + counts.resolvedCommitted()
                + " resolved-not-committed=" + counts.resolvedNotCommitted();
    }
}
