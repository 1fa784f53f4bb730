package io.github.connecttransactretry.outcome;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each mark alone tells one life of a server from another, and what could not be read equals nothing. */
class IncarnationTest {

    private static final Incarnation EVIDENCE = new Incarnation("7", "00000001", "2026-01-01T00:00:00.000001", "row");

    @Test
    void sameMarksAreTheSameLife() {
        assertTrue(new Incarnation("7", "00000001", "2026-01-01T00:00:00.000001", "row").continues(EVIDENCE));
    }

    @ParameterizedTest
    @CsvSource(nullValues = "null", value = {
            "8, 00000001, 2026-01-01T00:00:00.000001, row",
            "7, 00000002, 2026-01-01T00:00:00.000001, row",
            "7, 00000001, 2026-01-01T00:00:00.000002, row",
            "7, 00000001, 2026-01-01T00:00:00.000001, other",
            "7, 00000001, 2026-01-01T00:00:00.000001, ''",
            "7, 00000001, 2026-01-01T00:00:00.000001, null",
            "7, 00000001, null, row"})
    void anyOtherMarkIsAnotherLife(String system, String timeline, String reset, String life) {
        assertFalse(new Incarnation(system, timeline, reset, life).continues(EVIDENCE));
    }

    @ParameterizedTest
    @CsvSource(nullValues = "null", value = {"2026-01-01T00:00:00.000001, ''", "null, row", "null, null"})
    void whatCouldNotBeReadEqualsNothingItselfIncluded(String reset, String life) {
        Incarnation unread = new Incarnation("7", "00000001", reset, life);
        assertFalse(unread.isTold());
        assertFalse(unread.continues(unread));
    }

    @Test
    void withoutATableTheOtherMarksTell() {
        Incarnation noTable = new Incarnation("7", "00000001", "2026-01-01T00:00:00.000001", null);
        assertTrue(noTable.continues(noTable));
        assertTrue(EVIDENCE.continues(noTable), "a table that was made meanwhile");
        assertFalse(noTable.continues(null));
    }

    @ParameterizedTest
    @CsvSource({"00000001, 00000002, true", "00000002, 00000002, false", "0000000A, 00000009, false", "00000009, 00000010, true",
            "0000000F, 00000010, true"})
    void timelinesAreHexadecimalNumbers(String timeline, String than, boolean older) {
        assertEquals(older, new Incarnation("7", timeline, "", null).isOlderThan(than));
    }
}
