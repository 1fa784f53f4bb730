package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;

import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.outcome.BrokenLedgers;
import io.github.connecttransactretry.outcome.BrokenResolvers;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import java.util.SplittableRandom;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Engines broken in one part each: the soak's rounds, short ones, find each of them out. */
class SoakBrokenEngineTest {

    /** Each round has some dozen faults; most find it out at once. */
    private static final int ROUNDS = 8;
    private static final int CALLS = 60;

    static Stream<Arguments> brokenParts() {
        return Stream.of(
                broken("a lost answer is taken for a no", OutcomeMode.STATUS, SoakTotals::doubled,
                        (engine, schema) -> engine.resolvers(always(new CommitOutcome.NotCommitted("no answer", null)))),
                broken("a lost answer is taken for a yes", OutcomeMode.STATUS, SoakTotals::lost,
                        (engine, schema) -> engine.resolvers(always(new CommitOutcome.Committed("no error of the server", null)))),
                broken("in progress is taken for not committed", OutcomeMode.STATUS, SoakTotals::doubled,
                        (engine, schema) -> engine.fencing(false).resolvers(BrokenResolvers.takingInProgressForNotCommitted())),
                broken("a look in place of the tombstone", OutcomeMode.LEDGER, SoakTotals::doubled,
                        (engine, schema) -> engine.fencing(false).resolvers(BrokenLedgers.lookingInsteadOfWriting(schema))));
    }

    private static Arguments broken(String what, OutcomeMode mode, ToLongFunction<SoakTotals> caught, ScenarioRun.Setting setting) {
        return Arguments.of(what, mode, caught, setting);
    }

    private static CommitOutcomeResolver always(CommitOutcome outcome) {
        return new CommitOutcomeResolver() {
            @Override
            public String name() {
                return "blind";
            }

            @Override
            public CommitOutcome resolve(OutcomeQuestion question) {
                return outcome;
            }
        };
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("brokenParts")
    void isCaught(String what, OutcomeMode mode, ToLongFunction<SoakTotals> caught, ScenarioRun.Setting setting) throws Exception {
        long seed = new SplittableRandom().nextInt(1_000_000);
        try (Soak soak = new Soak(mode, seed, CALLS, setting)) {
            for (int round = 1; round <= ROUNDS; round++) {
                soak.play(round);
                if (caught.applyAsLong(soak.totals()) > 0) {
                    assertFalse(soak.complaints().isEmpty(), "the verdict is blind");
                    System.out.println("caught: " + what + ", in round " + round);
                    return;
                }
            }
        }
        fail(what + " was not caught in " + ROUNDS + " rounds, seed " + seed);
    }
}
