package io.github.connecttransactretry.outcome;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Evidence is one line that can be kept and read again, whatever the database is called, and a broken line is told. */
class CommitEvidenceTest {

    private static final UUID LEDGER = UUID.fromString("5a3f7f0e-0000-4000-8000-000000000001");
    private static final UUID TOKEN = UUID.fromString("5a3f7f0e-0000-4000-8000-000000000002");
    private static final CommitEvidence FULL = new CommitEvidence("shop", 4711L, new Backend(815, "2026-01-02T03:04:05.000006"),
            new Incarnation("7001", "0000000A", "2026-01-01T00:00:00.000001", "row"),
            new LedgerToken(LEDGER, TOKEN, Instant.parse("2026-01-02T03:04:05.678901234Z")), "2232128708");

    /** Seven parts may be absent; each bit says whether one is there. */
    private static final int COMBINATIONS = 1 << 7;

    private static final String[] PIECES = {" ", "=", "%", "+", "%20", "&", "\"", "'", "\\", "\n", "\r\n", "\t", "\u0000", "\u00a0", "\u2028",
        "ctr1", "xid=1", "Größe", "表", "🐘", "e\u0301", "ا", ";", ",", "a", "Z", "0"};

    @Test
    void everyCombinationOfPartsIsReadAsItWasPrinted() {
        long seed = System.nanoTime();
        System.out.println("CommitEvidenceTest seed " + seed);
        Random random = new Random(seed);
        for (int round = 0; round < 40; round++) {
            for (int parts = 0; parts < COMBINATIONS; parts++) {
                CommitEvidence evidence = evidence(random, parts);
                String line = evidence.toString();
                Supplier<String> which = () -> "seed " + seed + ": " + line;
                assertEquals(evidence, CommitEvidence.parse(line), which);
                assertEquals(line, CommitEvidence.parse(line).toString(), which);
                assertTrue(line.chars().allMatch(c -> c >= ' ' && c <= '~'), which);
            }
        }
    }

    private static CommitEvidence evidence(Random random, int parts) {
        Long transactionId = has(parts, 0) ? transactionId(random) : null;
        Backend backend = new Backend(1 + random.nextInt(Integer.MAX_VALUE), has(parts, 1) ? text(random) : null);
        Incarnation incarnation = has(parts, 2) ? new Incarnation(Long.toUnsignedString(random.nextLong()), text(random),
                has(parts, 3) ? text(random) : null, has(parts, 4) ? random.nextBoolean() ? "" : text(random) : null) : null;
        LedgerToken ledger = has(parts, 5) ? new LedgerToken(uuid(random), uuid(random), instant(random)) : null;
        return new CommitEvidence(text(random), transactionId, backend, incarnation, ledger, has(parts, 6) ? text(random) : null);
    }

    private static boolean has(int parts, int bit) {
        return (parts >> bit & 1) == 1;
    }

    private static long transactionId(Random random) {
        long[] edges = {0, 3, Long.MAX_VALUE, Long.MIN_VALUE, -1, -3};
        return random.nextBoolean() ? random.nextLong() : edges[random.nextInt(edges.length)];
    }

    private static UUID uuid(Random random) {
        return new UUID(random.nextLong(), random.nextLong());
    }

    private static Instant instant(Random random) {
        long day = random.nextInt(4_000_000) - 1_000_000L;
        return random.nextInt(10) == 0 ? random.nextBoolean() ? Instant.MIN : Instant.MAX
                : Instant.ofEpochSecond(day * 86_400 + random.nextInt(86_400), random.nextInt(1_000_000_000));
    }

    private static String text(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(6); i >= 0; i--) {
            text.append(PIECES[random.nextInt(PIECES.length)]);
        }
        return text.toString();
    }

    @Test
    void lineIsForPeopleToo() {
        assertEquals("ctr1 database=shop xid=4711 pid=815 start=2026-01-02T03%3A04%3A05.000006 system=7001 timeline=0000000A"
                + " reset=2026-01-01T00%3A00%3A00.000001 life=row ledger=" + LEDGER + " token=" + TOKEN
                + " notBefore=2026-01-02T03%3A04%3A05.678901234Z node=2232128708 end", FULL.toString());
        assertEquals("18446744073709551615", part(new CommitEvidence("d", -1L, new Backend(1, null), null, null, null), "xid"));
        assertEquals("my+%22db%22%0A", part(new CommitEvidence("my \"db\"\n", null, new Backend(1, null), null, null, null), "database"));
    }

    private static String part(CommitEvidence evidence, String name) {
        return evidence.toString().replaceFirst("^.* " + name + "=(\\S*).*$", "$1");
    }

    /** As lines come out of a log or a mail: with blanks around and more than one between. */
    @Test
    void blanksAroundAndBetweenDoNotMatter() {
        assertEquals(FULL, CommitEvidence.parse("  " + FULL.toString().replace(" ", "   ") + "\r\n"));
        assertEquals(FULL, CommitEvidence.parse(FULL.toString().replace(" ", "\t\n ")));
    }

    @Test
    void partsMayStandInAnyOrder() {
        List<String> words = new ArrayList<>(List.of(FULL.toString().split(" ")));
        Collections.reverse(words.subList(1, words.size() - 1));
        assertEquals(FULL, CommitEvidence.parse(String.join(" ", words)));
    }

    /** What was not there is not the empty text: no row is another matter than no table. */
    @Test
    void emptyIsNotAbsent() {
        Incarnation empty = new Incarnation("7001", "0000000A", null, "");
        Incarnation absent = new Incarnation("7001", "0000000A", null, null);
        assertEquals("", CommitEvidence.parse(withIncarnation(empty).toString()).incarnation().life());
        assertEquals(absent, CommitEvidence.parse(withIncarnation(absent).toString()).incarnation());
        assertFalse(withIncarnation(empty).toString().equals(withIncarnation(absent).toString()));
    }

    private static CommitEvidence withIncarnation(Incarnation incarnation) {
        return new CommitEvidence("shop", 1L, new Backend(1, null), incarnation, null, null);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "ctr", "ctr2 database=shop pid=1", "database=shop pid=1", "CTR1 database=shop pid=1", "ctr1database=a"})
    void lineOfAnotherKindIsToldWhatToGive(String line) {
        requireRefused(line, "does not begin with ctr1", "CommitEvidence.toString()");
    }

    /** In the middle of a value as well: half a start time would name another process, and half an id another node. */
    @Test
    void lineThatIsCutOffAnywhereIsRefused() {
        String line = FULL.toString();
        for (int end = 0; end < line.length(); end++) {
            String cut = line.substring(0, end);
            IllegalArgumentException told = assertThrows(IllegalArgumentException.class, () -> CommitEvidence.parse(cut), cut);
            assertTrue(told.getMessage().contains(end < 4 ? "does not begin with ctr1" : "is the line whole?"), told::getMessage);
        }
    }

    @ParameterizedTest
    @CsvSource({"database, its database", "pid, its pid", "timeline, its timeline", "token, its token", "notBefore, its notBefore"})
    void missingPartIsNamed(String part, String words) {
        requireRefused(FULL.toString().replaceFirst(" " + part + "=\\S*", ""), words, "is the line whole?");
    }

    /** What belongs to a part that is gone would silently be left out otherwise, and the evidence be another. */
    @ParameterizedTest
    @CsvSource({"system, timeline", "system, reset", "system, life", "ledger, token", "ledger, notBefore"})
    void partWithoutTheOneThatItBelongsToIsNoEvidence(String head, String left) {
        requireRefused("ctr1 database=shop pid=1 " + left + "=1 end", "its " + head, "is the line whole?");
    }

    @ParameterizedTest
    @ValueSource(strings = {"database", "xid", "pid", "system", "life", "ledger", "token", "node"})
    void partThatIsThereTwiceIsNamed(String part) {
        requireRefused(with(part + "=1"), "says its " + part + " twice");
    }

    @ParameterizedTest
    @ValueSource(strings = {"color=red", "color", "=", "=x", "XID=1", "ctr1", "end", "end=1"})
    void unknownPartIsNamed(String part) {
        requireRefused(with(part), "not known", part);
    }

    @ParameterizedTest
    @CsvSource({"xid, x", "xid, -1", "xid, 18446744073709551616", "xid, ''", "pid, x", "pid, 4294967296", "pid, 1.5", "pid, ''",
        "ledger, 5a3f", "token, x", "token, ''", "notBefore, yesterday", "notBefore, 2026-01-02", "database, %4", "database, %zz",
        "node, %"})
    void valueThatCannotBeReadIsNamed(String part, String value) {
        requireRefused(FULL.toString().replaceFirst(" " + part + "=\\S*", " " + part + "=" + value),
                "the evidence's " + part + " cannot be read: " + value);
    }

    @Test
    void nullIsTold() {
        NullPointerException refused = assertThrows(NullPointerException.class, () -> CommitEvidence.parse(null));
        assertTrue(refused.getMessage().contains("line is null: give"), refused::getMessage);
    }

    private static String with(String part) {
        return FULL.toString().replaceFirst(" end$", " " + part + " end");
    }

    private static void requireRefused(String line, String... words) {
        IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, () -> CommitEvidence.parse(line));
        for (String word : words) {
            assertTrue(refused.getMessage().contains(word), () -> "\"" + refused.getMessage() + "\" does not say \"" + word + "\"");
        }
    }
}
