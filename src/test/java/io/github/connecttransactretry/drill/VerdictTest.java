package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.AuditReport;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class VerdictTest {

    private static final DoubtBook.Counts COUNTS = new DoubtBook.Counts(7, 0, 5, 4, 2, 1);
    private static final AuditReport.UnknownCall UNKNOWN = new AuditReport.UnknownCall("1-1", "xid=1", true);

    @Test
    void theLineHasAllCounts() {
        assertEquals("verdict: exactly-once acknowledged=7 committed=8 doubled=0 lost=0 wrong=0 unknown=1 retries=5 in-doubt=4"
                + " resolved-committed=2 resolved-not-committed=1", verdict(7, 0, 0, 0, Set.of("1-1"), 10).line());
        assertEquals(0, verdict(7, 0, 0, 0, Set.of("1-1"), 10).exitCode());
    }

    @Test
    void everyOffenceHasItsWordAndFails() {
        assertFails("not-exactly-once", verdict(7, 1, 0, 0, Set.of("1-1"), 10));
        assertFails("not-exactly-once", verdict(7, 0, 1, 0, Set.of("1-1"), 10));
        assertFails("not-exactly-once", verdict(7, 0, 0, 1, Set.of("1-1"), 10));
        assertFails("not-exactly-once", verdict(7, 0, 0, 0, Set.of("1-1"), 11));
        assertFails("too-many-unknown", verdict(7, 0, 0, 0, Set.of(), 10));
        
        assertFails("nothing-acknowledged", verdict(0, 0, 0, 0, Set.of("1-1"), 10));
    }

    private static void assertFails(String word, Verdict verdict) {
        assertEquals(word, verdict.word());
        assertEquals(1, verdict.exitCode());
    }

    private static Verdict verdict(int acknowledged, int doubled, int lost, int wrong, Set<String> excused, long moneyAfter) {
        AuditReport report = new AuditReport(acknowledged, 0, 8, doubled, lost, wrong, List.of(UNKNOWN), List.of(), List.of(),
                List.of(), List.of());
        return new Verdict(report, COUNTS, excused, 10, moneyAfter);
    }
}
