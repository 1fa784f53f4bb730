package io.github.connecttransactretry.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.ground.StaleVersion;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What is counted, what is printed, and that neither grows without bounds. */
class ConflictReportTest {

    private static final Duration MILLI = Duration.ofMillis(1);

    private final ConflictReport report = new ConflictReport();

    private static AttemptFailure failure(String sqlState, Conflict conflict) {
        return new AttemptFailure(1, Phase.BODY, sqlState, Verdict.CONFLICT, "said", MILLI, MILLI, conflict);
    }

    private static Conflict on(String relation) {
        return new Conflict(relation, null, null, null);
    }

    private void lost(String label, String sqlState, Conflict conflict) {
        report.on(new TransactionEvent.AttemptFailed(label, failure(sqlState, conflict)));
    }

    private void done(String label, int attempts) {
        report.on(new TransactionEvent.CallSucceeded(label, attempts, MILLI));
    }

    private record Stale(Object expected, Object actual, Optional<BigDecimal> gap, Optional<Duration> timeGap) implements StaleVersion {

        static Stale of(long expected, long actual) {
            return new Stale(expected, actual, Optional.of(BigDecimal.valueOf(actual - expected)), Optional.empty());
        }

        @Override
        public String table() {
            return "document";
        }
    }

    @Test
    void conflictsAreToldApartByLabelRelationConstraintAndState() {
        lost("transfer", "40001", on("account"));
        lost("transfer", "40001", on("account"));
        report.on(new TransactionEvent.RetryScheduled("transfer", failure("40001", on("account")), 5));
        lost("transfer", "40001", on("audit"));
        lost("transfer", "40P01", on("account"));
        lost("report", "40001", on("account"));
        lost("transfer", "23505", new Conflict("account", "account_pkey", null, null));
        lost("transfer", "22P02", null);
        report.on(new TransactionEvent.RetryScheduled("transfer", failure("08006", null), 5));
        List<ConflictFigures.Line> lines = report.figures().conflicts();
        assertEquals(5, lines.size());
        assertEquals(new ConflictFigures.Line("transfer", "account", null, "40001", 2, 1, Map.of(), null, null), lines.get(0));
        assertTrue(lines.contains(
                new ConflictFigures.Line("transfer", "account", "account_pkey", "23505", 1, 0, Map.of(), null, null)));
        assertEquals(6, report.figures().times());
    }

    @Test
    void callsAreCountedByTheAttemptsThatTheyTook() {
        int[] needed = {1, 1, 1, 2, 3, 4, 5, 6, 10, 11, 20, 21, 50, 51, 1000};
        for (int attempts : needed) {
            done("transfer", attempts);
        }
        report.on(new TransactionEvent.CallFailed("transfer", 3, MILLI, IllegalStateException.class));
        done("", 1);
        List<ConflictFigures.Call> calls = report.figures().calls();
        assertEquals(List.of("", "transfer"), calls.stream().map(ConflictFigures.Call::label).toList());
        ConflictFigures.Call transfer = calls.get(1);
        assertEquals(List.of(3L, 1L, 1L, 1L, 1L, 2L, 2L, 2L, 2L), transfer.byAttempts());
        assertEquals(IntStream.of(needed).sum(), transfer.attempts());
        assertEquals(1000, transfer.most());
        assertEquals(1, transfer.failed());
        assertEquals(needed.length, transfer.succeeded());
        assertEquals(IntStream.of(needed).average().orElseThrow(), transfer.mean(), 1e-9);
    }

    @Test
    void staleVersionsKeepTheLastAndTheWidest() {
        report.staleVersion("edit", Stale.of(3, 9));
        report.staleVersion("edit", Stale.of(12, 4));
        lost("edit", null, Conflict.of(Stale.of(4, 5)));
        report.staleVersion("edit", new Stale("4", null, Optional.empty(), Optional.empty()));
        ConflictFigures.Line line = report.figures().conflicts().get(0);
        assertEquals(4, line.times());
        assertEquals("document", line.relation());
        assertEquals(new VersionGap("4", null, null, null), line.last());
        assertEquals("-8", line.widest().distance());
        report.staleVersion("time", new Stale("a", "b", Optional.empty(), Optional.of(Duration.ofSeconds(2))));
        report.staleVersion("time", new Stale("a", "b", Optional.empty(), Optional.of(Duration.ofSeconds(-5))));
        report.staleVersion("time", new Stale("a", "c", Optional.empty(), Optional.of(Duration.ofSeconds(3))));
        line = report.figures().conflicts().get(1);
        assertEquals(Duration.ofSeconds(-5), line.widest().time());
        assertEquals("c", line.last().actual());
    }

    @Test
    void deadlocksNameWhomTheyWaitedForButNoEndOfThem() {
        for (int i = 0; i < 20; i++) {
            lost("transfer", "40P01", new Conflict("account", null, "other" + i, null));
        }
        lost("transfer", "40P01", new Conflict("account", null, "other0", null));
        Map<String, Long> blockers = report.figures().conflicts().get(0).blockedBy();
        assertEquals(9, blockers.size());
        assertEquals(2, blockers.get("other0"));
        assertEquals(12, blockers.get(ConflictFigures.OTHERS));
    }

    /** A label with an id in it, as people write them, may not fill the memory. */
    @Test
    void whatHasNoRoomIsCountedTogether() {
        ConflictReport small = new ConflictReport(3, 2);
        for (int i = 0; i < 1000; i++) {
            String label = "order " + i;
            small.on(new TransactionEvent.AttemptFailed(label, failure("40001", on("account"))));
            small.on(new TransactionEvent.RetryScheduled(label, failure("40001", on("account")), 5));
            small.on(new TransactionEvent.CallSucceeded(label, 2, MILLI));
        }
        ConflictFigures figures = small.figures();
        assertEquals(4, figures.conflicts().size());
        assertEquals(new ConflictFigures.Line(ConflictFigures.OTHERS, null, null, null, 997, 997, Map.of(), null, null),
                figures.conflicts().get(3));
        assertEquals(List.of("order 0", "order 1", ConflictFigures.OTHERS), figures.calls().stream().map(ConflictFigures.Call::label).toList());
        assertEquals(998, figures.calls().get(2).succeeded());
        assertEquals(1000, figures.times());
        assertThrows(IllegalArgumentException.class, () -> new ConflictReport(0, 1));
        assertThrows(IllegalArgumentException.class, () -> new ConflictReport(1, 0));
    }

    @Test
    void resetBeginsAnewAndLeavesFiguresAsTheyWere() {
        lost("transfer", "40001", on("account"));
        done("transfer", 2);
        ConflictFigures before = report.figures();
        report.reset();
        assertEquals(new ConflictFigures(List.of(), List.of()), report.figures());
        lost("transfer", "40001", on("account"));
        assertEquals(1, before.times());
        assertEquals(1, report.figures().times());
    }

    @Test
    void nothingIsLostBetweenThreads() {
        int threads = 8;
        int each = 5_000;
        ConflictReport small = new ConflictReport(5, 5);
        CompletableFuture.allOf(IntStream.range(0, threads).mapToObj(thread -> CompletableFuture.runAsync(() -> {
            for (int i = 0; i < each; i++) {
                String label = "label " + (i + thread) % 11;
                small.on(new TransactionEvent.AttemptFailed(label, failure("40001", on("account"))));
                small.on(new TransactionEvent.CallSucceeded(label, 1 + i % 3, MILLI));
            }
        })).toArray(CompletableFuture[]::new)).join();
        ConflictFigures figures = small.figures();
        assertEquals(6, figures.conflicts().size());
        assertEquals(6, figures.calls().size());
        assertEquals(threads * each, figures.times());
        assertEquals(threads * each, figures.calls().stream().mapToLong(ConflictFigures.Call::succeeded).sum());
    }

    @Test
    void itPrintsItselfInColumns() {
        lost("transfer", "40001", on("account"));
        lost("transfer", "40P01", new Conflict("account", null, "", null));
        lost("transfer", "40P01", new Conflict("account", null, "report", null));
        lost("", "23505", new Conflict("account", "account_pkey", null, null));
        report.staleVersion("edit", Stale.of(3, 9));
        done("transfer", 1);
        done("transfer", 12);
        assertEquals("""
                conflicts: 5
                lost by     relation  constraint    SQLSTATE  times  retried  blocked by              expected -> actual  widest gap
                transfer    account   -             40P01         2        0  (no label) 1, report 1  -                   -
                (no label)  account   account_pkey  23505         1        0  -                       -                   -
                edit        document  -             stale         1        0  -                       3 -> 9              6
                transfer    account   -             40001         1        0  -                       -                   -
                attempts to success
                call      succeeded  failed  1  2  3  4  5  6-10  11-20  21-50  51+  most  mean
                transfer          2       0  1  .  .  .  .     .      1      .    .    12  6.50""", report.toString());
    }

    /** Names come from users and servers. */
    @Test
    void aLineStaysALine() {
        lost("two\nlines\u001b[31m" + "x".repeat(1000), "40001", on("account\r\nx"));
        ConflictFigures.Line line = report.figures().conflicts().get(0);
        assertTrue(line.label().length() < 110 && line.label().startsWith("two lines [31m"), line.label());
        assertEquals("account  x", line.relation());
        assertFalse(report.toString().contains("\u001b"));
        assertEquals("-", new TextTable("-").toString());
        assertNull(Conflict.of(Stale.of(1, 2)).constraint());
        report.staleVersion("edit", new Stale("v".repeat(500), new byte[] {1}, Optional.empty(), Optional.empty()));
        VersionGap gap = report.figures().conflicts().get(0).last();
        assertEquals("v".repeat(40) + "... -> bytes (?)", gap.toString());
    }
}
