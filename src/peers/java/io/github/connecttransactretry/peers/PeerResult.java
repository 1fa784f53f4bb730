package io.github.connecttransactretry.peers;

import io.github.connecttransactretry.chaos.AuditReport;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;

/**
 * What became of all calls of one peer.
 *
 * @param entry      the peer
 * @param report     the audit's
 * @param attempts   how often the work was run
 * @param roundTrips how many the proxy has seen, questions about doubtful COMMITs included
 * @param nanos      how long each call took
 * @param faults     how many of each were made
 */
record PeerResult(Roster.Entry entry, AuditReport report, int attempts, long roundTrips, long[] nanos,
        Map<Fault, Integer> faults) {

    private static final double NANOS_PER_MILLI = 1e6;
    private static final int PERCENT = 99;

    static final String HEAD = """
            | Peer | Acknowledged | Failed | Unknown | Doubled | Lost | Wrong | Faults | Attempts | Round trips | Mean | 99 % | Longest |
            |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
            """;

    /** A line of the table. */
    String row() {
        long[] sorted = nanos.clone();
        Arrays.sort(sorted);
        return String.format(Locale.ROOT, "| %s | %d | %d | %d | %s | %s | %s | %d | %.2f | %.2f | %.0f ms | %.0f ms | %.0f ms |%n",
                entry.name(), report.acknowledged(), report.failed(), report.unknown().size(), bold(report.doubled()),
                bold(report.lost()), bold(report.wrong()), faultsMade(), (double) attempts / nanos.length,
                (double) roundTrips / nanos.length, Arrays.stream(nanos).average().orElse(0) / NANOS_PER_MILLI,
                sorted[sorted.length * PERCENT / 100] / NANOS_PER_MILLI, sorted[sorted.length - 1] / NANOS_PER_MILLI);
    }

    int faultsMade() {
        return faults.values().stream().mapToInt(Integer::intValue).sum();
    }

    private static String bold(int count) {
        return count == 0 ? "0" : "**" + count + "**";
    }

    /** What contradicts the entry's expectation; empty if nothing does. */
    String contradiction(FaultPlan plan) {
        // Half of them: a call may be doubled by luck alone, as by the crash, or be spared by a failure on its way to its fault.
        long many = (plan.count(Fault.COMMIT_ANSWER_LOST) + plan.count(Fault.COMMIT_LATE)) / 2;
        boolean asExpected = switch (entry.expected()) {
            case EXACTLY_ONCE -> report.isExactlyOnce();
            case UNKNOWN -> report.isExactlyOnce() && report.unknown().size() > many;
            case DOUBLED -> report.doubled() > many;
            case WRONG -> report.wrong() > many && report.doubled() == 0;
        };
        return asExpected ? "" : entry.name() + " was expected " + entry.expected() + " (more than " + many + "), and there is "
                + report + "\n";
    }
}
