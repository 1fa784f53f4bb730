package io.github.connecttransactretry.observe;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a {@link ConflictReport} had counted at one moment. Immutable; {@link #toString()} is a table to print.
 *
 * @param conflicts the most frequent first, {@link #OTHERS} last
 * @param calls     by label, {@link #OTHERS} last
 */
public record ConflictFigures(List<Line> conflicts, List<Call> calls) {

    /** The label of what found no room of its own. */
    public static final String OTHERS = "(others)";

    /** The most attempts of each step of {@link Call#byAttempts()}. */
    public static final List<Integer> STEPS = List.of(1, 2, 3, 4, 5, 10, 20, 50, Integer.MAX_VALUE);

    /** Copies the lists. */
    public ConflictFigures {
        conflicts = List.copyOf(conflicts);
        calls = List.copyOf(calls);
    }

    /**
     * Conflicts of one kind.
     *
     * @param label      of the calls that lost, the empty text if they have none
     * @param relation   see {@link Conflict#relation()}; null if it is not known
     * @param constraint the violated constraint, or null
     * @param sqlState   null for a stale version, and in {@link #OTHERS}
     * @param times      how many attempts were lost
     * @param retried    how many of them were followed by another attempt
     * @param blockedBy  of deadlocks, whose backend was waited for and how often, by label, as far as it is known
     * @param last       the last stale version, or null
     * @param widest     the one with the widest gap, or null if none can be told
     */
    public record Line(String label, String relation, String constraint, String sqlState, long times, long retried,
                       Map<String, Long> blockedBy, VersionGap last, VersionGap widest) {

        /** Copies the map. */
        public Line {
            blockedBy = Collections.unmodifiableMap(new TreeMap<>(blockedBy));
        }
    }

    /**
     * Calls with one label.
     *
     * @param label      the empty text for calls without one
     * @param byAttempts how many succeeded after so many attempts, one number for each of {@link #STEPS}
     * @param attempts   the attempts of all that succeeded together, whatever they were repeated for
     * @param most       the most attempts that one of them took
     * @param failed     how many ended with an exception
     */
    public record Call(String label, List<Long> byAttempts, long attempts, int most, long failed) {

        /** Copies the list. */
        public Call {
            byAttempts = List.copyOf(byAttempts);
        }

        /** How many succeeded. */
        public long succeeded() {
            return byAttempts.stream().mapToLong(Long::longValue).sum();
        }

        /** The mean attempts to success, 0 if none succeeded. */
        public double mean() {
            return succeeded() == 0 ? 0 : (double) attempts / succeeded();
        }
    }

    /** How many attempts were lost to conflicts. */
    public long times() {
        return conflicts.stream().mapToLong(Line::times).sum();
    }

    /** Two tables of plain text, without a line break at the end. Nothing that is not known is left blank: it is a dash. */
    @Override
    public String toString() {
        TextTable lost = new TextTable("lost by", "relation", "constraint", "SQLSTATE", ">times", ">retried", "blocked by",
                "expected -> actual", "widest gap");
        for (Line line : conflicts) {
            lost.row(name(line.label()), dash(line.relation()), dash(line.constraint()),
                    line.sqlState() == null && line.last() != null ? "stale" : dash(line.sqlState()), String.valueOf(line.times()),
                    String.valueOf(line.retried()), blockers(line.blockedBy()),
                    line.last() == null ? "-" : dash(line.last().expected()) + " -> " + dash(line.last().actual()),
                    line.widest() != null ? line.widest().distance() : line.last() != null ? line.last().distance() : "-");
        }
        List<String> heads = new ArrayList<>(List.of("call", ">succeeded", ">failed"));
        for (int i = 0; i < STEPS.size(); i++) {
            heads.add(">" + step(i));
        }
        heads.addAll(List.of(">most", ">mean"));
        TextTable attempts = new TextTable(heads.toArray(String[]::new));
        for (Call call : calls) {
            List<String> cells = new ArrayList<>(
                    List.of(name(call.label()), String.valueOf(call.succeeded()), String.valueOf(call.failed())));
            call.byAttempts().forEach(count -> cells.add(count == 0 ? "." : count.toString()));
            cells.add(String.valueOf(call.most()));
            cells.add(String.format(Locale.ROOT, "%.2f", call.mean()));
            attempts.row(cells.toArray(String[]::new));
        }
        return "conflicts: " + times() + "\n" + lost + "\nattempts to success\n" + attempts;
    }

    private static String step(int index) {
        int most = STEPS.get(index);
        int least = index == 0 ? 1 : STEPS.get(index - 1) + 1;
        return least == most ? String.valueOf(most) : most == Integer.MAX_VALUE ? least + "+" : least + "-" + most;
    }

    private static String blockers(Map<String, Long> blockers) {
        List<String> all = new ArrayList<>();
        blockers.forEach((label, times) -> all.add(name(label) + " " + times));
        return all.isEmpty() ? "-" : String.join(", ", all);
    }

    private static String name(String label) {
        return label.isEmpty() ? "(no label)" : label;
    }

    private static String dash(String text) {
        return text == null ? "-" : text;
    }
}
