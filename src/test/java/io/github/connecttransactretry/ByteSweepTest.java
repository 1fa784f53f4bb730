package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.ByteSweep.Scope;
import io.github.connecttransactretry.ByteSweep.Setting;
import io.github.connecttransactretry.ByteSweep.Swept;
import io.github.connecttransactretry.SweepTrial.Told;
import io.github.connecttransactretry.fixtures.ByteRelay.Cut;
import io.github.connecttransactretry.fixtures.ByteRelay.Direction;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The conversation of one transaction, cut after every byte of it, in both directions and in every way: exactly one effect each
 * time, and a true answer. {@code -Dsweep=ledger}, {@code status} or {@code all} says in which modes. By default it is the
 * ledger's: its promise is the stronger one, no call unknown even where a server is lost, and most of its conversation is the
 * message that holds the COMMIT.
 */
class ByteSweepTest {

    private static final Path RESULTS = Path.of("target", "byte-sweep");

    private static final List<Swept> ALL = new ArrayList<>();
    private static ByteSweep sweep;

    @BeforeAll
    static void open() throws SQLException {
        sweep = ByteSweep.open();
    }

    @AfterAll
    static void closeAndReport() throws IOException {
        String table = SweepReport.table(ALL);
        System.out.println("\nBYTE SWEEP (-Dsweep=" + property() + ", PostgreSQL " + sweep.server().version() + ")\n\n" + table);
        sweep.close();
        Files.createDirectories(RESULTS);
        Files.writeString(RESULTS.resolve("byte-sweep.md"), table);
        Files.writeString(RESULTS.resolve("byte-sweep.svg"), SweepReport.picture(ALL));
    }

    /** What can be swept, each in all ways. */
    enum Conversation { LEDGER, STATUS, START_UP }

    static Stream<Conversation> conversations() {
        return switch (property()) {
            case "ledger" -> Stream.of(Conversation.LEDGER);
            case "status" -> Stream.of(Conversation.STATUS);
            case "all" -> Stream.of(Conversation.values());
            default -> throw new IllegalArgumentException("-Dsweep=" + property() + ": say ledger, status or all");
        };
    }

    private static String property() {
        return System.getProperty("sweep", "ledger");
    }

    @ParameterizedTest
    @MethodSource("conversations")
    @Timeout(600)
    void exactlyOneEffectAndATrueAnswerWhereverTheConversationIsCut(Conversation conversation)
            throws SQLException, InterruptedException {
        Set<Told> told = conversation == Conversation.START_UP ? startUp()
                : transaction(conversation == Conversation.LEDGER ? OutcomeMode.LEDGER : OutcomeMode.STATUS);
        assertEquals(conversation == Conversation.START_UP ? Set.of(Told.WENT_AGAIN)
                : Set.of(Told.WENT_AGAIN, Told.FOUND_COMMITTED, Told.FOUND_NOT_COMMITTED, Told.ACKNOWLEDGED), told);
    }

    private static Set<Told> transaction(OutcomeMode mode) throws SQLException, InterruptedException {
        SweepTrial uncut = sweep.uncut(Setting.sound(mode));
        assertTrue(uncut.answerLength() > 0, () -> "no COMMIT was seen in " + uncut);
        Set<Told> told = new TreeSet<>();
        for (SweepWay way : SweepWay.values()) {
            Swept swept = sweptAndSound(mode, Scope.TRANSACTION, way, uncut.answerLength());
            requireTelling(swept, uncut);
            swept.trials().forEach(trial -> told.add(trial.told()));
        }
        return told;
    }

    /** The same in both modes. Before BEGIN there is nothing to be in doubt of, and no question to come late for. */
    private static Set<Told> startUp() throws SQLException, InterruptedException {
        sweep.uncut(Setting.sound(OutcomeMode.LEDGER));
        Set<Told> told = new TreeSet<>();
        for (SweepWay way : SweepWay.values()) {
            if (way != SweepWay.UP_LATE_ASKED && way != SweepWay.UP_LATE_ANSWERED) {
                Swept swept = sweptAndSound(OutcomeMode.LEDGER, Scope.START_UP, way, 0);
                assertEquals(0, swept.inDoubt());
                swept.trials().forEach(trial -> told.add(trial.told()));
            }
        }
        return told;
    }

    private static Swept sweptAndSound(OutcomeMode mode, Scope scope, SweepWay way, int answer)
            throws SQLException, InterruptedException {
        Swept swept = sweep.sweep(Setting.sound(mode), scope, way, 0, answer);
        ALL.add(swept);
        requireEveryOffset(swept);
        requireExactlyOnce(swept);
        assertEquals(List.of(), swept.complaints());
        return swept;
    }

    /**
     * From 0 to the length of the conversation; bytes are held back with the one that follows the offset, so one less then.
     * What the server says is now longer, now shorter (ids have more digits or fewer); what the client says is not.
     */
    private static void requireEveryOffset(Swept swept) {
        assertNotNull(swept.whole(), "the sweep did not end");
        int end = swept.whole().offset();
        List<Integer> upToThere = swept.trials().stream().map(SweepTrial::offset).filter(offset -> offset < end).toList();
        assertEquals(IntStream.range(0, end).boxed().toList(), upToThere, swept.way().toString());
        int length = (int) swept.whole().plan().passed(swept.way().direction()) + (swept.way().cut() == Cut.LATE ? 0 : 1);
        assertTrue(length > 1 && (isUp(swept) ? length == end : length <= end), swept.whole().toString());
    }

    private static void requireExactlyOnce(Swept swept) {
        String found = swept.way() + ": " + swept.audit();
        assertTrue(swept.audit().isExactlyOnce(), found);
        assertEquals(swept.calls(), swept.audit().acknowledged(), found);
        assertEquals(swept.calls(), swept.audit().committed(), found);
        assertEquals(0, swept.audit().failed() + swept.audit().unknown().size(), found);
        assertEquals(swept.calls(), swept.moved(), "the second statement had another effect than the first");
    }

    /** Each way puts the engine in doubt at as many offsets as its COMMIT, or the answer, has bytes. */
    private static void requireTelling(Swept swept, SweepTrial uncut) {
        int expected = isUp(swept) ? uncut.commitLength() : uncut.answerLength();
        int digits = isUp(swept) ? 0 : 8;
        assertTrue(Math.abs(swept.inDoubt() - expected) <= digits,
                () -> swept.way() + ": " + swept.inDoubt() + " in doubt, and COMMIT or its answer has " + expected + " bytes");
        assertTrue(swept.told(isUp(swept) ? Told.FOUND_NOT_COMMITTED : Told.FOUND_COMMITTED) > 0, swept.way().toString());
        assertTrue(swept.told(Told.WENT_AGAIN) > 0, swept.way().toString());
    }

    private static boolean isUp(Swept swept) {
        return swept.way().direction() == Direction.CLIENT_TO_SERVER;
    }
}
