package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.lab.Road;
import io.github.connecttransactretry.lab.Scenario;
import io.github.connecttransactretry.lab.ScenarioFile;
import io.github.connecttransactretry.lab.ScenarioReport;
import io.github.connecttransactretry.lab.ScenarioRun;
import io.github.connecttransactretry.lab.ScenarioRun.Setting;
import io.github.connecttransactretry.lab.Stage;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.BrokenLedgers;
import io.github.connecttransactretry.outcome.BrokenResolvers;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.nio.file.Path;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Engines broken in one part each, on a real network that fails by the scenario files: names the scenario that catches each of
 * them. With a sound engine the same scenarios pass, see ScenarioTest.
 */
class BrokenEngineInScenariosTest {

    /** A scenario leaves to the threads which fault meets which moment, and not every play has the one that tells. */
    private static final int PLAYS = 5;

    private static final Predicate<AuditReport> DOUBLED = audit -> audit.doubled() > 0;
    private static final Predicate<AuditReport> LOST = audit -> audit.lost() > 0;
    private static final Predicate<AuditReport> FAILED = audit -> audit.failed() > 0;

    private static Road road;

    @BeforeAll
    static void takeRoad() {
        road = Road.take();
    }

    @AfterAll
    static void close() {
        if (road != null) {
            road.close();
        }
    }

    static Stream<Arguments> brokenParts() {
        AtomicLong given = new AtomicLong();
        return Stream.of(
                broken("the incarnation is ignored", "postmaster-crash", OutcomeMode.STATUS, LOST,
                        (engine, schema) -> engine.resolvers(BrokenResolvers.ignoringTheIncarnation())),
                broken("nothing is sealed", "asynchronous-commit", OutcomeMode.STATUS, LOST,
                        (engine, schema) -> engine.resolvers(BrokenResolvers.withoutASeal())),
                broken("in progress is taken for not committed", "commit-arrives-late", OutcomeMode.STATUS, DOUBLED,
                        (engine, schema) -> engine.fencing(false).resolvers(BrokenResolvers.takingInProgressForNotCommitted())),
                broken("unknown is retried", "crash-after-commit", OutcomeMode.STATUS, DOUBLED,
                        (engine, schema) -> engine.resolvers(BrokenResolvers.retryingOnUnknown())),
                broken("a silent rollback is not seen", "error-swallowed", OutcomeMode.NONE, LOST,
                        (engine, schema) -> engine.drivers(new BlindDriver())),
                broken("a look in place of the tombstone", "commit-arrives-late", OutcomeMode.LEDGER, DOUBLED,
                        (engine, schema) -> engine.fencing(false).resolvers(BrokenLedgers.lookingInsteadOfWriting(schema))),
                broken("the writer passes over tombstones", "commit-arrives-late", OutcomeMode.LEDGER, DOUBLED,
                        (engine, schema) -> engine.fencing(false).ledgerWriter(BrokenLedgers.passingOverTombstones(schema))),
                broken("each token is used twice", "reset-before-commit", OutcomeMode.LEDGER, LOST,
                        (engine, schema) -> engine.tokens(() -> new UUID(0, given.getAndIncrement() / 2))),
                broken("one token for all attempts of a call", "reset-before-commit", OutcomeMode.LEDGER, FAILED,
                        (engine, schema) -> onePerCall(engine)),
                broken("the fence ends a COMMIT in its synchronous wait", "unreplicated-commit", OutcomeMode.STATUS, LOST,
                        (engine, schema) -> engine.fence(BrokenLedgers.endingCommits())),
                broken("that fence, and nothing is sealed", "unreplicated-commit", OutcomeMode.STATUS, LOST,
                        (engine, schema) -> engine.fence(BrokenLedgers.endingCommits()).resolvers(BrokenResolvers.withoutASeal())));
    }

    /** Its own tombstone then keeps every later attempt out, until the deadline. */
    private static ConnectTransactRetryBuilder onePerCall(ConnectTransactRetryBuilder engine) {
        ThreadLocal<UUID> token = new ThreadLocal<>();
        return engine.tokens(token::get).retryPolicy(RetryPolicy.defaults().withMaxAttempts(4)).listener(event -> {
            if (event instanceof TransactionEvent.AttemptStarted started && started.attempt() == 1) {
                token.set(UUID.randomUUID());
            }
        });
    }

    private static Arguments broken(String what, String scenario, OutcomeMode mode, Predicate<AuditReport> caught, Setting setting) {
        return Arguments.of(what, scenario, mode, caught, setting);
    }

    @ParameterizedTest(name = "{0}: caught by {1}")
    @MethodSource("brokenParts")
    void isCaught(String what, String name, OutcomeMode mode, Predicate<AuditReport> caught, Setting setting) throws Exception {
        Scenario scenario = ScenarioFile.read(Path.of("toxiproxy", "scenarios", name + ".json"));
        road.obstacle(scenario.stage()).ifPresent(obstacle -> abort(obstacle));
        for (int play = 1; play <= PLAYS; play++) {
            try (Stage stage = road.open(scenario.stage())) {
                ScenarioReport report = new ScenarioRun(scenario, stage, mode, new Random().nextInt(1_000_000), setting).play();
                if (caught.test(report.audit())) {
                    assertFalse(report.complaints().isEmpty(), report::toString);
                    System.out.println("caught: " + what + ", in play " + play + " of " + report);
                    return;
                }
                System.out.println("not yet caught: " + what + ", in " + report);
            }
        }
        fail(what + " was not caught by " + name + " in " + PLAYS + " plays");
    }
}
