package io.github.connecttransactretry.outcome;

/**
 * One life of one database server, from start to crash or promotion. A transaction id that was never flushed is handed out
 * again after a crash (measured on 13, 15, 17 and 18), so that {@code pg_xact_status} then speaks of a stranger: its
 * "committed" counts only within one incarnation. Immutable.
 *
 * @param systemIdentifier {@code pg_control_system().system_identifier}, not null
 * @param timeline         the WAL timeline being written, eight hexadecimal digits, not null; taken from the name of the
 *                         current WAL file since the control file lags after a promotion
 * @param statsReset       {@code pg_stat_get_bgwriter_stat_reset_time()} as UTC text: new after every crash and kept over a
 *                         clean restart; null if the server has none
 * @param life             the id in the UNLOGGED row, which crash and promotion empty; the empty text if the table is there
 *                         but the row is not, or cannot be read; null if there is no such table or it was not asked
 */
public record Incarnation(String systemIdentifier, String timeline, String statsReset, String life) {

    /**
     * Whether the server that this was read from is still in the life that {@code evidence} was taken in. What cannot be
     * read equals nothing, itself included.
     *
     * @param evidence read before the COMMIT, may be null
     */
    public boolean continues(Incarnation evidence) {
        if (evidence == null || !evidence.isTold() || statsReset == null) {
            return false;
        }
        boolean sameRow = evidence.life == null || evidence.life.equals(life);
        return sameRow && systemIdentifier.equals(evidence.systemIdentifier)
                && timeline.equals(evidence.timeline) && statsReset.equals(evidence.statsReset);
    }

    /** Whether enough of it could be read for this life to be told from another one. */
    public boolean isTold() {
        return statsReset != null && !"".equals(life);
    }

    /** Whether this is on an older WAL timeline than the other: the mark of a primary that was failed over from. */
    public boolean isOlderThan(String otherTimeline) {
        return timeline.compareTo(otherTimeline) < 0;
    }
}
