package io.github.connecttransactretry.observe;

import io.github.connecttransactretry.ground.StaleVersion;
import io.github.connecttransactretry.ground.TargetTable;
import java.util.regex.Pattern;

/**
 * Where a failed attempt met another transaction, as far as it can be known without asking the server. Names only. Immutable.
 *
 * @param relation   the table, or the index, or null. Of 23505, 23P01, 40P01 and 55P03 the server may name it; of 40001 it
 *                   never does, and this is the table that the failed statement begins with, where the conflict was noticed
 * @param constraint the constraint that was violated, or null
 * @param blockedBy  of a deadlock the label of the call that was waited for, empty if that has none; null if it was no call of
 *                   this engine, or has gone, or if it is no deadlock
 * @param version    of a stale version the two versions, else null
 */
public record Conflict(String relation, String constraint, String blockedBy, VersionGap version) {

    private static final int LONGEST_NAME = 130;
    private static final Pattern CONTROLS = Pattern.compile("[\\p{Cntrl}\\u0080-\\u009f\\u2028\\u2029]");

    /** Cuts names to a length that a schema's and a table's have together. */
    public Conflict {
        relation = relation == null ? null : cut(relation, LONGEST_NAME);
        constraint = constraint == null ? null : cut(constraint, LONGEST_NAME);
    }

    /**
     * Of a row that was not at the version that a writer had seen.
     *
     * @param stale not null
     */
    public static Conflict of(StaleVersion stale) {
        return new Conflict(TargetTable.plain(stale.table()), null, null, VersionGap.of(stale));
    }

    /** One line, which neither ends in the middle nor steers a terminal. */
    static String printable(String text) {
        return CONTROLS.matcher(text).replaceAll(" ");
    }

    /** A printable line of at most so many characters. */
    static String cut(String text, int longest) {
        String some = text.length() <= longest ? text : text.substring(0, longest) + "...";
        return printable(some);
    }
}
