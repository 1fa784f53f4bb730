package io.github.connecttransactretry.chaos;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.FaultPlan.Course;
import io.github.connecttransactretry.chaos.FaultPlan.Visit;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class FaultPlanTest {

    private static final int PLACES = 20_000;

    @Test
    void aScriptCountsEachKindOfPlaceByItself() {
        Course course = FaultPlan.script().atCommit(2, Fault.LOSE_ANSWER).atStatement(1, Fault.CUT_BEFORE).begin();
        assertEquals(null, course.at(commit(1, "INSERT INTO a")));
        assertEquals(List.of("COMMIT 2: LOSE_ANSWER", "STATEMENT 1: CUT_BEFORE"), course.notReached());
        assertEquals(Fault.CUT_BEFORE, course.at(statement(1, "INSERT INTO a")));
        assertEquals(null, course.at(statement(2, "INSERT INTO a")));
        assertEquals(Fault.LOSE_ANSWER, course.at(commit(2, "INSERT INTO a")));
        assertEquals(null, course.at(commit(3, "INSERT INTO a")));
        assertEquals(List.of(), course.notReached());
    }

    @Test
    void aTextTellsPlacesApart() {
        Course course = FaultPlan.script().atStatement(2, "orders", Fault.CUT_BEFORE).begin();
        assertEquals(null, course.at(statement(1, "INSERT INTO orders")));
        assertEquals(null, course.at(statement(2, "INSERT INTO lines")));
        assertEquals(null, course.at(commit(1, "INSERT INTO orders")));
        assertEquals(Fault.CUT_BEFORE, course.at(statement(3, "UPDATE orders")));
    }

    @Test
    void aPlanIsNotChangedByWhatIsMadeOfIt() {
        FaultScript empty = FaultPlan.script();
        FaultScript one = empty.atCommit(1, Fault.CUT_BEFORE);
        assertEquals("script []", empty.toString());
        assertEquals("script [COMMIT 1: CUT_BEFORE]", one.toString());
        assertEquals(Fault.CUT_BEFORE, one.begin().at(commit(1, "")));
        assertEquals(Fault.CUT_BEFORE, one.begin().at(commit(1, "")), "each begins anew");
        SeededFaults seeded = FaultPlan.seeded(7);
        seeded.atCommits(1, Fault.CUT_BEFORE);
        assertEquals("seed 7 []", seeded.toString());
    }

    @Test
    void theSameSeedMakesTheSameFaultsAtTheSamePlaces() {
        SeededFaults plan = plan(42);
        assertEquals(faults(plan, places()), faults(plan, places()));
        assertNotEquals(faults(plan, places()), faults(plan(43), places()));
    }

    /** Which thread comes first is not the seed's to say; what happens there is. */
    @Test
    void theOrderInWhichPlacesAreComeToDoesNotMatter() {
        List<Visit> backwards = new ArrayList<>(places());
        Collections.reverse(backwards);
        List<Fault> met = faults(plan(42), backwards);
        Collections.reverse(met);
        assertEquals(faults(plan(42), places()), met);
    }

    @Test
    void sharesAreKept() {
        List<Fault> met = faults(plan(42), places());
        assertNear(0.1, Collections.frequency(met, Fault.LOSE_ANSWER));
        assertNear(0.2, Collections.frequency(met, Fault.raise("40001")));
        assertNear(0.7, Collections.frequency(met, null));
        assertEquals(Collections.nCopies(PLACES, null), faults(FaultPlan.seeded(1).atStatements(1, Fault.CUT_BEFORE), places()));
        assertEquals(Collections.nCopies(PLACES, Fault.CUT_BEFORE), faults(FaultPlan.seeded(1).atCommits(1, Fault.CUT_BEFORE), places()));
        assertEquals(Collections.nCopies(PLACES, null), faults(FaultPlan.seeded(1).atCommits(0, Fault.CUT_BEFORE), places()));
    }

    private static void assertNear(double share, int count) {
        assertTrue(Math.abs(share - (double) count / PLACES) < 0.02, count + " of " + PLACES + " instead of " + share);
    }

    @Test
    void atMostIsTheMost() {
        List<Fault> met = faults(plan(42).atMost(5), places());
        assertEquals(PLACES - 5, Collections.frequency(met, null));
        assertEquals(Collections.nCopies(PLACES, null), faults(plan(42).atMost(0), places()));
        assertEquals("seed 42 [COMMIT: LOSE_ANSWER 0.1, COMMIT: raise 40001 0.2] at most 5", plan(42).atMost(5).toString());
    }

    private static SeededFaults plan(long seed) {
        return FaultPlan.seeded(seed).atCommits(0.1, Fault.LOSE_ANSWER).atCommits(0.2, Fault.raise("40001"));
    }

    /** COMMITs on ten connections. */
    private static List<Visit> places() {
        return Stream.iterate(0, i -> i + 1).limit(PLACES)
                .map(i -> new Visit(Place.COMMIT, i + 1, i % 10 + 1, i / 10 + 1, "")).toList();
    }

    private static List<Fault> faults(FaultPlan plan, List<Visit> visits) {
        Course course = plan.begin();
        List<Fault> met = new ArrayList<>();
        visits.forEach(visit -> met.add(course.at(visit)));
        return met;
    }

    private static Visit commit(int nth, String text) {
        return new Visit(Place.COMMIT, nth, 1, nth, text);
    }

    private static Visit statement(int nth, String text) {
        return new Visit(Place.STATEMENT, nth, 1, nth, text);
    }

    static Stream<Arguments> badInput() {
        return Stream.of(
                bad("there is no COMMIT 0: the first has the number 1", () -> FaultPlan.script().atCommit(0, Fault.CUT_BEFORE)),
                bad("there is no STATEMENT -1: the first", () -> FaultPlan.script().atStatement(-1, Fault.CUT_BEFORE)),
                bad("fault", () -> FaultPlan.script().atCommit(1, null)),
                bad("mentioning", () -> FaultPlan.script().atCommit(1, null, Fault.CUT_BEFORE)),
                bad("every statement mentions the empty text", () -> FaultPlan.script().atCommit(1, "", Fault.CUT_BEFORE)),
                bad("COMMIT 1 has a fault already",
                        () -> FaultPlan.script().atCommit(1, Fault.CUT_BEFORE).atCommit(1, Fault.LOSE_ANSWER)),
                bad("DELIVER_LATE cannot happen at STATEMENT", () -> FaultPlan.script().atStatement(1, Fault.DELIVER_LATE)),
                bad("REFUSE cannot happen at COMMIT", () -> FaultPlan.script().atCommit(1, Fault.REFUSE)),
                bad("connecting can only be REFUSEd", () -> FaultPlan.script().atConnect(1, Fault.CUT_BEFORE)),
                bad("the outage cannot last PT-1S", () -> FaultPlan.script().refuseConnections(Duration.ofSeconds(-1))),
                bad("the outage cannot last PT0S", () -> Fault.LOSE_ANSWER.thenRefusing(Duration.ZERO)),
                bad("outage", () -> FaultPlan.script().refuseConnections(null)),
                bad("0 connects cannot be refused", () -> Fault.LOSE_ANSWER.thenRefusing(0)),
                bad("the silence cannot last PT0S", () -> Fault.SILENCE_AFTER.lasting(Duration.ZERO)),
                bad("CUT_BEFORE is no silence", () -> Fault.CUT_BEFORE.lasting(Duration.ofSeconds(1))),
                bad("sqlState", () -> Fault.raise(null)),
                bad("\"4000\" is no SQLSTATE", () -> Fault.raise("4000")),
                bad("\"'; --\" is no SQLSTATE", () -> Fault.raise("'; --")),
                bad("\"40p01\" is no SQLSTATE", () -> Fault.raise("40p01")),
                bad("00000 is of class 00, which is no error", () -> Fault.raise("00000")),
                bad("no living server raises 08006", () -> Fault.raise("08006")),
                bad("no living server raises 57P03", () -> Fault.raise("57P03")),
                bad("the share of LOSE_ANSWER at COMMIT is 1.5: say 0 to 1",
                        () -> FaultPlan.seeded(1).atCommits(1.5, Fault.LOSE_ANSWER)),
                bad("is -0.1: say 0 to 1", () -> FaultPlan.seeded(1).atConnects(-0.1)),
                bad("is NaN: say 0 to 1", () -> FaultPlan.seeded(1).atStatements(Double.NaN, Fault.CUT_BEFORE)),
                bad("the shares of the faults at COMMIT add up to 1.2: more than 1",
                        () -> FaultPlan.seeded(1).atCommits(0.6, Fault.LOSE_ANSWER).atCommits(0.6, Fault.CUT_BEFORE)),
                bad("DELIVER_LATE cannot happen at STATEMENT", () -> FaultPlan.seeded(1).atStatements(0.1, Fault.DELIVER_LATE)),
                bad("-1 faults cannot be the most", () -> FaultPlan.seeded(1).atMost(-1)),
                bad("real", () -> FaultyDataSource.wrap(null, FaultPlan.script())),
                bad("plan", () -> FaultyDataSource.wrap(new org.postgresql.ds.PGSimpleDataSource(), null)));
    }

    private static Arguments bad(String says, Executable action) {
        return Arguments.of(says, action);
    }

    @ParameterizedTest
    @MethodSource("badInput")
    void badInputIsNamedWithItsMend(String says, Executable action) {
        RuntimeException refused = assertThrows(RuntimeException.class, action);
        assertTrue(refused instanceof IllegalArgumentException || refused instanceof NullPointerException, refused::toString);
        assertTrue(refused.getMessage().contains(says), refused::getMessage);
    }

    /** One time a tenth more than ten times is still one. */
    @Test
    void tenTenthsAreOne() {
        SeededFaults plan = FaultPlan.seeded(1);
        for (int i = 0; i < 10; i++) {
            plan = plan.atCommits(0.1, Fault.raise("4000" + i));
        }
        assertTrue(plan.toString().contains("40009"), plan::toString);
    }

    @Test
    void faultsThatDoTheSameAreEqual() {
        assertEquals(Fault.raise("40001"), Fault.raise("40001"));
        assertNotEquals(Fault.raise("40001"), Fault.raise("40P01"));
        assertNotEquals(Fault.LOSE_ANSWER, Fault.LOSE_ANSWER.thenRefusing(2));
        assertEquals("SILENCE_AFTER lasting PT1S then refusing for PT2S then refusing 3",
                Fault.SILENCE_AFTER.lasting(Duration.ofSeconds(1)).thenRefusing(Duration.ofSeconds(2)).thenRefusing(3).toString());
    }
}
