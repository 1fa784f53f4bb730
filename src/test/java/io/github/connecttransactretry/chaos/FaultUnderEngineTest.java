package io.github.connecttransactretry.chaos;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.chaos.Bench.Layout;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The engine meets each fault at its exact place, whatever decides the outcome and wherever the faults are put, and each call
 * takes effect once.
 */
class FaultUnderEngineTest {

    private static final String TABLE = "kit_effect";
    private static final TransactionOptions OPTIONS = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(30));
    private static final Duration MOMENT = Duration.ofMillis(20);

    private static TestDatabase database;
    private static Audit audit;
    private static int calls;

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        CommitSchema.standard().install(database.plain(""));
        try (Connection owner = database.server().connect()) {
            audit = Audit.create(owner, TABLE);
        }
    }

    @AfterAll
    static void close() {
        database.close();
    }

    /** A fault, the attempt whose value the call returns, and how the journal's line about it ends. */
    private record Case(Fault fault, int attempt, String outcome) {
    }

    private static List<Case> atCommit() {
        return List.of(
                new Case(Fault.CUT_BEFORE, 2, "not sent"),
                new Case(Fault.LOSE_ANSWER, 1, "done"),
                new Case(Fault.DELIVER_LATE, 2, "delivered late: "),
                new Case(Fault.SILENCE_BEFORE.lasting(MOMENT), 2, "not sent"),
                new Case(Fault.SILENCE_AFTER.lasting(MOMENT), 1, "done"),
                new Case(Fault.raise("40001"), 2, "the server raised 40001"),
                new Case(Fault.raise("57P01"), 2, "the server raised 57P01"),
                new Case(Fault.LOSE_ANSWER.thenRefusing(2), 1, "done"));
    }

    private static List<Case> atStatement() {
        return List.of(
                new Case(Fault.CUT_BEFORE, 2, "not sent"),
                new Case(Fault.LOSE_ANSWER, 2, "done"),
                new Case(Fault.SILENCE_BEFORE.lasting(MOMENT), 2, "not sent"),
                new Case(Fault.raise("40P01"), 2, "the server raised 40P01"),
                new Case(Fault.raise("40001"), 2, "the server raised 40001"));
    }

    static Stream<Arguments> everywhere() {
        List<Arguments> all = new ArrayList<>();
        for (OutcomeMode mode : List.of(OutcomeMode.STATUS, OutcomeMode.LEDGER, OutcomeMode.STATUS_THEN_LEDGER)) {
            for (Layout layout : Layout.values()) {
                all.add(Arguments.of(mode, layout, ""));
            }
        }
        all.add(Arguments.of(OutcomeMode.LEDGER, Layout.PLAIN, "preferQueryMode=simple"));
        all.add(Arguments.of(OutcomeMode.LEDGER, Layout.PLAIN, "autosave=always"));
        all.add(Arguments.of(OutcomeMode.STATUS, Layout.BELOW_POOL, "autosave=always&preferQueryMode=simple"));
        return all.stream();
    }

    /** The outcome is not asked for. */
    static Stream<Arguments> onceInEachLayout() {
        return everywhere().filter(arguments -> arguments.get()[0] == OutcomeMode.STATUS);
    }

    @ParameterizedTest
    @MethodSource("everywhere")
    void faultsAtCommit(OutcomeMode mode, Layout layout, String parameters) throws SQLException {
        for (Case each : atCommit()) {
            play(mode, layout, parameters, FaultPlan.script().atCommit(1, TABLE, each.fault), each);
        }
    }

    @ParameterizedTest
    @MethodSource("onceInEachLayout")
    void faultsAtStatements(OutcomeMode mode, Layout layout, String parameters) throws SQLException {
        for (Case each : atStatement()) {
            play(mode, layout, parameters, FaultPlan.script().atStatement(1, TABLE, each.fault), each);
        }
    }

    private static void play(OutcomeMode mode, Layout layout, String parameters, FaultPlan plan, Case expected)
            throws SQLException {
        String call = "call-" + ++calls;
        List<FaultDone> done;
        int attempt;
        try (Bench bench = Bench.of(database, layout, parameters, plan);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(bench.top()).outcome(mode).build()) {
            attempt = engine.run(OPTIONS, tx -> {
                audit.append(tx.connection(), call, tx.attempt());
                return tx.attempt();
            });
            bench.faulty().deliverLate();
            done = bench.faulty().done();
            assertEquals(List.of(), bench.faulty().notReached());
        }
        String story = mode + " " + layout + " " + parameters + " " + done;
        assertEquals(expected.attempt, attempt, story);
        assertEquals(String.valueOf(attempt), effects(call), story);
        FaultDone first = done.get(0);
        assertEquals(expected.fault, first.fault(), story);
        assertTrue(first.outcome().equals(expected.outcome)
                || expected.outcome.endsWith(": ") && first.outcome().startsWith(expected.outcome), story);
        // A late COMMIT meets a backend that the fence has ended, or a tombstone: never a success.
        assertTrue(expected.fault != Fault.DELIVER_LATE || first.outcome().contains("refused with"), story);
        // Above a pool the engine asks past the faults, so that nobody is there to be refused.
        assertEquals(layout == Layout.ABOVE_POOL ? 1 : 1 + expected.fault.refusals(), done.size(), story);
    }

    /** Without a fence nothing but the tombstone stands in the late COMMIT's way. */
    @Test
    void lateCommitFailsOnTheTombstone() throws SQLException {
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""),
                FaultPlan.script().atCommit(1, TABLE, Fault.DELIVER_LATE));
                ConnectTransactRetry engine = ConnectTransactRetry.builder(faulty).outcome(OutcomeMode.LEDGER).fencing(false)
                        .resolverDataSource(database.plain("")).build()) {
            String call = "call-" + ++calls;
            Thread ender = new Thread(() -> Await.until("a tombstone to be in the way", Duration.ofSeconds(20), () -> {
                boolean there = database.ask("SELECT count(*) FROM connect_transact_retry.commit_ledger WHERE kind = 'tombstone'")
                        .equals("1");
                if (there) {
                    faulty.deliverLate();
                }
                return there;
            }));
            database.execute("TRUNCATE connect_transact_retry.commit_ledger");
            ender.start();
            int attempt = engine.run(OPTIONS, tx -> {
                audit.append(tx.connection(), call, tx.attempt());
                return tx.attempt();
            });
            assertEquals(2, attempt);
            assertEquals("2", effects(call));
            String outcome = faulty.done().get(0).outcome();
            assertTrue(outcome.startsWith("delivered late: refused with 23505"), outcome);
        }
    }

    private static String effects(String call) throws SQLException {
        return database.ask("SELECT string_agg(attempt::text, ',' ORDER BY attempt) FROM " + TABLE + " WHERE call = '" + call + "'");
    }
}
