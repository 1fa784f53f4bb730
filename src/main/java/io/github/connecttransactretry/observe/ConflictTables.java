package io.github.connecttransactretry.observe;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAccumulator;
import java.util.concurrent.atomic.LongAdder;

/** The counters of a {@link ConflictReport} between two resets. Thread-safe. */
final class ConflictTables {

    private static final int LONGEST_LABEL = 100;
    /** A label blocks few others; a line of its own for each pair would use up the lines. */
    private static final int MOST_BLOCKERS = 8;
    private static final Key OTHER_CONFLICTS = new Key(ConflictFigures.OTHERS, null, null, null);

    private final int mostLines;
    private final int mostCalls;
    private final Map<Key, Line> lines = new ConcurrentHashMap<>();
    private final Map<String, Call> calls = new ConcurrentHashMap<>();
    private final Line otherLines = new Line();
    private final Call otherCalls = new Call();

    private record Key(String label, String relation, String constraint, String sqlState) {
    }

    ConflictTables(int mostLines, int mostCalls) {
        this.mostLines = mostLines;
        this.mostCalls = mostCalls;
    }

    void conflict(String label, AttemptFailure failure) {
        conflict(label, failure.sqlState(), failure.conflict());
    }

    void conflict(String label, String sqlState, Conflict conflict) {
        line(label, sqlState, conflict).met(conflict);
    }

    void retried(String label, AttemptFailure failure) {
        line(label, failure.sqlState(), failure.conflict()).retried();
    }

    Call call(String label) {
        String name = Conflict.cut(label, LONGEST_LABEL);
        Call known = calls.get(name);
        return known != null ? known : admitted(calls, name, new Call(), otherCalls, mostCalls);
    }

    private Line line(String label, String sqlState, Conflict conflict) {
        Key key = new Key(Conflict.cut(label, LONGEST_LABEL), conflict.relation(), conflict.constraint(), sqlState);
        Line known = lines.get(key);
        return known != null ? known : admitted(lines, key, new Line(), otherLines, mostLines);
    }

    private static <K, V> V admitted(Map<K, V> map, K key, V fresh, V others, int most) {
        synchronized (map) {
            V known = map.get(key);
            if (known != null) {
                return known;
            }
            if (map.size() >= most) {
                return others;
            }
            map.put(key, fresh);
            return fresh;
        }
    }

    ConflictFigures figures() {
        List<ConflictFigures.Line> conflicts = new ArrayList<>();
        lines.forEach((key, line) -> conflicts.add(line.figures(key)));
        conflicts.sort(Comparator.comparingLong(ConflictFigures.Line::times).reversed()
                .thenComparing(line -> line.label() + ' ' + line.relation() + ' ' + line.constraint() + ' ' + line.sqlState()));
        if (otherLines.isUsed()) {
            conflicts.add(otherLines.figures(OTHER_CONFLICTS));
        }
        List<ConflictFigures.Call> counted = new ArrayList<>();
        new TreeMap<>(calls).forEach((label, call) -> counted.add(call.figures(label)));
        if (otherCalls.isUsed()) {
            counted.add(otherCalls.figures(ConflictFigures.OTHERS));
        }
        return new ConflictFigures(conflicts, counted);
    }

    /** One kind of conflict. A lock is cheap here: who comes has lost a transaction. */
    private static final class Line {

        private final Map<String, Long> blockers = new TreeMap<>();
        private long times;
        private long retried;
        private VersionGap last;
        private VersionGap widest;

        synchronized void met(Conflict conflict) {
            times++;
            if (conflict.blockedBy() != null) {
                String blocker = Conflict.cut(conflict.blockedBy(), LONGEST_LABEL);
                boolean room = blockers.containsKey(blocker) || blockers.size() < MOST_BLOCKERS;
                blockers.merge(room ? blocker : ConflictFigures.OTHERS, 1L, Long::sum);
            }
            if (conflict.version() != null) {
                last = conflict.version();
                widest = last.isWiderThan(widest) ? last : widest;
            }
        }

        synchronized void retried() {
            retried++;
        }

        synchronized boolean isUsed() {
            return times > 0;
        }

        synchronized ConflictFigures.Line figures(Key key) {
            return new ConflictFigures.Line(key.label(), key.relation(), key.constraint(), key.sqlState(), times, retried, blockers,
                    last, widest);
        }
    }

    /** The calls of one label. Every call counts here, so that there is no lock. */
    static final class Call {

        private final LongAdder[] byAttempts = new LongAdder[ConflictFigures.STEPS.size()];
        private final LongAdder attempts = new LongAdder();
        private final LongAdder failed = new LongAdder();
        private final LongAccumulator most = new LongAccumulator(Math::max, 0);

        Call() {
            for (int i = 0; i < byAttempts.length; i++) {
                byAttempts[i] = new LongAdder();
            }
        }

        void succeeded(int needed) {
            int step = 0;
            while (needed > ConflictFigures.STEPS.get(step)) {
                step++;
            }
            byAttempts[step].increment();
            attempts.add(needed);
            most.accumulate(needed);
        }

        void failed() {
            failed.increment();
        }

        boolean isUsed() {
            return most.get() > 0 || failed.sum() > 0;
        }

        ConflictFigures.Call figures(String label) {
            List<Long> counts = new ArrayList<>();
            for (LongAdder step : byAttempts) {
                counts.add(step.sum());
            }
            return new ConflictFigures.Call(label, counts, attempts.sum(), (int) most.get(), failed.sum());
        }
    }
}
