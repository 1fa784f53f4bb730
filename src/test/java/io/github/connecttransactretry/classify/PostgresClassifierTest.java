package io.github.connecttransactretry.classify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.pacing.Pace;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Phase x SQLSTATE x the rest of what is known: every row of the table of retried errors, and what is on no row. */
class PostgresClassifierTest {

    private static final PostgresClassifier STANDARD = PostgresClassifier.standard();
    private static final List<String> OPT_IN = List.of("55P03", "55006", "25P03", "53100", "53200", "58000", "58030");
    private static final List<String> OPT_IN_UNDER_SERIALIZABLE = List.of("23505", "23P01");

    /** The same in every phase, whatever else is known. */
    private static final Map<Verdict, List<String>> ALWAYS = new LinkedHashMap<>(Map.of(
            Verdict.CONFLICT, List.of("40001", "40P01", "OC000", "OC001"),
            Verdict.OUTAGE, List.of("08000", "08001", "08003", "08006", "08007", "08S01", "08S02", "57P01", "57P02", "57P03", "57P05"),
            Verdict.POOLER_TROUBLE, List.of("08P01"),
            Verdict.OVERLOAD, List.of("53300"),
            Verdict.PERMANENT, List.of("08004", "57014", "57P04", "25P02", "25P04", "XX000", "XX001", "XX002", "3D000", "3F000",
                    "28000", "28P01", "22001", "22012", "22P02", "42501", "42601", "42P01", "23000", "23502", "23503", "23514",
                    "40002", "40003", "P0001", "2D000", "25001", "00000", "")));

    static Stream<Arguments> everythingElse() {
        List<Arguments> all = new ArrayList<>();
        for (Phase phase : Phase.values()) {
            for (int bits = 0; bits < 8; bits++) {
                all.add(Arguments.of(phase, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0));
            }
        }
        return all.stream();
    }

    private static Failure failure(Phase phase, String sqlState, String routine, boolean lost, boolean writable, boolean serializable) {
        return new Failure(phase, new SQLException("made for the test", sqlState), sqlState, routine, lost, writable, serializable);
    }

    private static Verdict verdict(PostgresClassifier classifier, Failure failure) {
        return classifier.classify(failure).orElseThrow(() -> new AssertionError("passed on, but there is nobody after it"));
    }

    @ParameterizedTest(name = "{0} lost={1} writable={2} serializable={3}")
    @MethodSource("everythingElse")
    void mostStatesMeanTheSameEverywhere(Phase phase, boolean lost, boolean writable, boolean serializable) {
        ALWAYS.forEach((expected, sqlStates) -> sqlStates.forEach(sqlState -> assertEquals(expected,
                verdict(STANDARD, failure(phase, sqlState, "AnyRoutine", lost, writable, serializable)), sqlState)));
    }

    @ParameterizedTest(name = "{0} lost={1} writable={2} serializable={3}")
    @MethodSource("everythingElse")
    void readOnlySessionsAreStaleWhereAWritableOneWasAskedFor(Phase phase, boolean lost, boolean writable, boolean serializable) {
        assertEquals(writable ? Verdict.STALE_SERVER : Verdict.PERMANENT,
                verdict(STANDARD, failure(phase, "25006", "PreventCommandIfReadOnly", lost, writable, serializable)));
    }

    /** "cannot use serializable mode in a hot standby" comes from two places; any other 0A000 is a feature that is missing. */
    @ParameterizedTest(name = "{0} lost={1} writable={2} serializable={3}")
    @MethodSource("everythingElse")
    void notSupportedIsThreeThings(Phase phase, boolean lost, boolean writable, boolean serializable) {
        assertEquals(Verdict.STALE_PLAN,
                verdict(STANDARD, failure(phase, "0A000", "RevalidateCachedQuery", lost, writable, serializable)));
        assertEquals(writable ? Verdict.STALE_SERVER : Verdict.PERMANENT,
                verdict(STANDARD, failure(phase, "0A000", "GetSerializableTransactionSnapshot", lost, writable, serializable)));
        Verdict other = writable && phase == Phase.BEGIN ? Verdict.STALE_SERVER : Verdict.PERMANENT;
        assertEquals(other, verdict(STANDARD, failure(phase, "0A000", "CheckSelectLocking", lost, writable, serializable)));
        assertEquals(other, verdict(STANDARD, failure(phase, "0A000", null, lost, writable, serializable)));
    }

    @ParameterizedTest(name = "{0} lost={1} writable={2} serializable={3}")
    @MethodSource("everythingElse")
    void whatIsOptInIsPermanentUntilItIsOptedInto(Phase phase, boolean lost, boolean writable, boolean serializable) {
        List<String> all = Stream.concat(OPT_IN.stream(), OPT_IN_UNDER_SERIALIZABLE.stream()).toList();
        for (String sqlState : all) {
            Failure failure = failure(phase, sqlState, null, lost, writable, serializable);
            assertEquals(Verdict.PERMANENT, verdict(STANDARD, failure), sqlState);
            Verdict retried = OPT_IN_UNDER_SERIALIZABLE.contains(sqlState)
                    ? serializable ? Verdict.SUSPECTED_CONFLICT : Verdict.PERMANENT
                    : lost ? Verdict.OUTAGE : Verdict.CONFLICT;
            assertEquals(retried, verdict(STANDARD.alsoRetrying(sqlState), failure), sqlState);
            assertEquals(retried, verdict(STANDARD.alsoRetrying(all.toArray(String[]::new)), failure), sqlState);
            for (String other : all) {
                if (!other.equals(sqlState)) {
                    assertEquals(Verdict.PERMANENT, verdict(STANDARD.alsoRetrying(other), failure), sqlState + " by " + other);
                }
            }
        }
    }

    @Test
    void optingInAddsUpAndChangesNoOtherClassifier() {
        PostgresClassifier both = STANDARD.alsoRetrying("55P03").alsoRetrying("58030");
        for (String sqlState : List.of("55P03", "58030")) {
            assertTrue(verdict(both, failure(Phase.BODY, sqlState, null, false, true, false)).retried());
            assertFalse(verdict(STANDARD, failure(Phase.BODY, sqlState, null, false, true, false)).retried());
        }
    }

    @Test
    void onlyTheNamedStatesCanBeOptedInto() {
        for (String sqlState : List.of("57014", "40001", "23503", "", "55p03")) {
            IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, () -> STANDARD.alsoRetrying(sqlState));
            assertTrue(refused.getMessage().contains("ErrorClassifier of your own"), refused::getMessage);
            for (String allowed : OPT_IN) {
                assertTrue(refused.getMessage().contains(allowed), refused::getMessage);
            }
        }
    }

    /** A pool's timeout without a SQLSTATE inside is saturation; anything else without one is retried if the connection went with it. */
    @ParameterizedTest(name = "{0} lost={1} writable={2} serializable={3}")
    @MethodSource("everythingElse")
    void withoutAState(Phase phase, boolean lost, boolean writable, boolean serializable) {
        boolean connect = phase == Phase.CONNECT;
        Verdict other = lost && !connect ? Verdict.OUTAGE : Verdict.PERMANENT;
        assertEquals(connect ? Verdict.SATURATION : other, verdict(STANDARD,
                new Failure(phase, new SQLTransientConnectionException("pool"), null, null, lost, writable, serializable)));
        for (Throwable thrown : List.of(new SQLException("no state"), new IllegalStateException("own"), new Exception("checked"))) {
            assertEquals(other, verdict(STANDARD, new Failure(phase, thrown, null, null, lost, writable, serializable)));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "CONFLICT,           true,  false, CONFLICT, false",
        "SUSPECTED_CONFLICT, true,  false, CONFLICT, true",
        "STALE_PLAN,         true,  true,  CONFLICT, false",
        "OUTAGE,             true,  true,  OUTAGE,   false",
        "POOLER_TROUBLE,     true,  true,  OUTAGE,   true",
        "STALE_SERVER,       true,  true,  OUTAGE,   false",
        "OVERLOAD,           true,  true,  OVERLOAD, false",
        "SATURATION,         true,  false, OUTAGE,   false",
        "PERMANENT,          false, false, CONFLICT, false"})
    void whatAVerdictMeans(Verdict verdict, boolean retried, boolean evicts, Pace pace, boolean doubtful) {
        assertEquals(retried, verdict.retried());
        assertEquals(evicts, verdict.evicts());
        assertEquals(pace, verdict.pace());
        assertEquals(doubtful, verdict.doubtful());
        assertEquals(9, Verdict.values().length, "a new verdict has to be entered here");
    }

    @Test
    void aClassifierOfOnesOwnComesFirstAndMayPassOn() {
        Failure conflict = failure(Phase.BODY, "40001", null, false, true, false);
        ErrorClassifier never = any -> Optional.of(Verdict.PERMANENT);
        ErrorClassifier passes = any -> Optional.empty();
        assertEquals(Optional.of(Verdict.PERMANENT), never.orElse(STANDARD).classify(conflict));
        assertEquals(Optional.of(Verdict.CONFLICT), passes.orElse(STANDARD).classify(conflict));
        assertEquals(Optional.of(Verdict.PERMANENT), passes.orElse(never).orElse(STANDARD).classify(conflict));
        assertEquals(Optional.empty(), passes.orElse(passes).classify(conflict));
        assertEquals(Optional.of(Verdict.CONFLICT), STANDARD.orElse(never).classify(conflict), "it never passes on");
    }
}
