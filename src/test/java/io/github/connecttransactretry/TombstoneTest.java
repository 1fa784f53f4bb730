package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptStarted;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;
import org.postgresql.jdbc.PreferQueryMode;

/** A tombstone in the ledger keeps a COMMIT out that comes too late; a row that is there was committed. */
class TombstoneTest {

    private static CommitScene scene;
    private static LedgerView ledger;

    private final Chronicle chronicle = new Chronicle();

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        ledger = LedgerView.installed(scene);
        scene.execute("CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)", "INSERT INTO account VALUES (1, 0)");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void holdTheFirstCommitBack() {
        scene.releaseHeld();
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
    }

    /** The second attempt takes the row lock that the first one's backend had, and waits for nobody. */
    @ParameterizedTest
    @EnumSource
    void fencedBackendHoldsNobodyUp(Isolation isolation) throws SQLException {
        scene.execute("UPDATE account SET balance = 0");
        Ending ending = scene.call(engine(), TransactionOptions.defaults().withIsolation(isolation), tx -> {
            try (Statement statement = tx.connection().createStatement()) {
                statement.execute("SELECT FROM account WHERE id = 1 FOR UPDATE NOWAIT");
                statement.execute("UPDATE account SET balance = balance + 1 WHERE id = 1");
            }
        });
        ending.returned(2);
        assertEquals(List.of("AttemptStarted", "OutcomeResolved", "Fenced", "AttemptStarted"),
                chronicle.order(AttemptStarted.class, OutcomeResolved.class, Fenced.class));
        assertEquals(Result.TERMINATED, chronicle.only(Fenced.class).result());
        CommitEvidence evidence = tombstoned();
        assertEquals(evidence.backend(), chronicle.only(Fenced.class).backend());
        assertNotDelivered(scene.releaseHeld());
        assertEquals(List.of(2), scene.effects(ending));
        assertEquals("1", scene.ask("SELECT balance FROM account"));
    }

    @ParameterizedTest
    @EnumSource
    void lateCommitFailsOnTheTombstone(Isolation isolation) throws SQLException {
        long before = ledger.rows();
        Ending ending = scene.call(engine().fencing(false), TransactionOptions.defaults().withIsolation(isolation));
        ending.returned(2);
        CommitEvidence evidence = tombstoned();
        assertTrue(scene.lives(evidence.backend().pid()), "nobody was to end it");
        assertEquals(List.of("ERROR 23505"), scene.releaseHeld());
        assertEquals(List.of(2), scene.effects(ending));
        assertEquals(before + 2, ledger.rows(), "a tombstone, and the row of the attempt that was committed");
    }

    /** One by one, the server would go on to the COMMIT behind the row that failed: then it is a rollback. */
    @Test
    void lateCommitFailsInSimpleQueriesToo() throws SQLException {
        PGSimpleDataSource simple = scene.dataSource(scene.proxy().port(), PostgresServer.SUPERUSER);
        simple.setPreferQueryMode(PreferQueryMode.SIMPLE);
        Ending ending = scene.call(ConnectTransactRetry.builder(() -> simple.getConnection()).listener(chronicle)
                .outcome(OutcomeMode.LEDGER).fencing(false), TransactionOptions.defaults());
        ending.returned(2);
        tombstoned();
        assertEquals(List.of("ERROR 23505; ROLLBACK"), scene.releaseHeld());
        assertEquals(List.of(2), scene.effects(ending));
    }

    /** When the late COMMIT of a keyed call comes. */
    enum Late {
        BEFORE_THE_RETRY, AFTER_THE_RETRY
    }

    @ParameterizedTest
    @CsvSource({"READ_COMMITTED, BEFORE_THE_RETRY", "READ_COMMITTED, AFTER_THE_RETRY", "REPEATABLE_READ, BEFORE_THE_RETRY",
        "REPEATABLE_READ, AFTER_THE_RETRY", "SERIALIZABLE, BEFORE_THE_RETRY", "SERIALIZABLE, AFTER_THE_RETRY"})
    void keyedCallTakesEffectOnceAndKeepsItsResult(Isolation isolation, Late late) throws SQLException {
        TransactionOptions keyed = Keys.attempts("late " + isolation + " " + late).withIsolation(isolation);
        List<String> said = new ArrayList<>();
        if (late == Late.BEFORE_THE_RETRY) {
            chronicle.onFirst(AttemptStarted.class, started -> started.attempt() == 2,
                    started -> said.addAll(scene.releaseHeld()));
        }
        Ending ending = scene.call(engine().fencing(false), keyed);
        ending.returned(2);
        chronicle.requireActed();
        tombstoned();
        said.addAll(scene.releaseHeld());
        assertEquals(List.of("ERROR 23505"), said);
        assertEquals(List.of(2), scene.effects(ending));
        for (int repeat = 1; repeat <= 3; repeat++) {
            Chronicle again = new Chronicle();
            Ending repeated = scene.call(scene.engine(again).outcome(OutcomeMode.LEDGER), keyed);
            repeated.returned(2);
            again.only(StoredResultReturned.class);
            assertEquals(List.of(), scene.effects(repeated));
        }
    }

    /** The bytes of the COMMIT have arrived, but the process does not get to read them before it is all over. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void commitInASuspendedBackendIsKeptOut(boolean fencing) throws SQLException {
        List<Caller<List<String>>> delivery = new ArrayList<>();
        chronicle.onFirst(OutcomeAsked.class, asked -> {
            scene.server().suspend(asked.evidence().backend().pid());
            delivery.add(Caller.start(scene::releaseHeld));
        });
        Ending ending = scene.call(engine().fencing(fencing), TransactionOptions.defaults().withTimeout(Duration.ofSeconds(8)));
        chronicle.requireActed();
        CommitEvidence evidence = tombstoned();
        assertTrue(!delivery.get(0).isDone(), "it was to come late");
        scene.server().resume(evidence.backend().pid());
        List<String> said = delivery.get(0).ending().returned();
        if (fencing) {
            assertNotDelivered(said);
        } else {
            assertEquals(List.of("ERROR 23505"), said);
        }
        ending.returned(2);
        assertEquals(List.of(2), scene.effects(ending));
    }

    @ParameterizedTest
    @CsvSource({"CUT_AFTER, 1", "BLACK_HOLE_AFTER, 1", "CUT_BEFORE, 2", "BLACK_HOLE_BEFORE, 2", "HOLD_AND_CUT, 2"})
    void lossOfACommitOrOfItsAnswerIsToldApart(WireAction action, int attempt) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Ending ending = scene.call(engine(), TransactionOptions.defaults().withTimeout(Duration.ofSeconds(8)));
        ending.returned(attempt);
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals("ledger", resolved.resolver());
        assertEquals(attempt == 1 ? Committed.class : NotCommitted.class, resolved.outcome().getClass());
        assertEquals(attempt == 1 ? "committed" : "tombstone", ledger.kind(resolved.evidence()));
        assertNotCommitted(scene.releaseHeld());
        assertEquals(List.of(attempt), scene.effects(ending));
    }

    /** The resolver's own COMMIT is lost too, or held up with its row locked: asked again, the ledger says the same. */
    @ParameterizedTest
    @CsvSource({"CUT_AFTER, CUT_AFTER", "CUT_AFTER, CUT_BEFORE", "HOLD_AND_CUT, CUT_AFTER", "HOLD_AND_CUT, CUT_BEFORE",
        "CUT_AFTER, HOLD_AND_CUT", "HOLD_AND_CUT, HOLD_AND_CUT"})
    void resolversOwnCommitInDoubtIsAskedAgain(WireAction calls, WireAction resolvers) throws SQLException {
        WireScript first = WireScript.nth(1, WireRequest::isCommit, calls);
        WireScript second = WireScript.nth(2, WireRequest::isCommit, resolvers);
        scene.script(request -> {
            WireAction action = first.onRequest(request);
            WireAction other = second.onRequest(request);
            return action == WireAction.PASS ? other : action;
        });
        Ending ending = scene.call(engine());
        int attempt = calls == WireAction.CUT_AFTER ? 1 : 2;
        ending.returned(attempt);
        chronicle.only(OutcomeResolved.class);
        assertNotCommitted(scene.releaseHeld());
        assertEquals(List.of(attempt), scene.effects(ending));
    }

    /** When the late COMMIT comes, as seen from those who resolve. */
    enum Arrival {
        BEFORE, AFTER, MEANWHILE
    }

    @ParameterizedTest
    @EnumSource
    void resolversOfOneTokenAgree(Arrival arrival) throws Exception {
        for (int round = 1; round <= (arrival == Arrival.MEANWHILE ? 10 : 1); round++) {
            Ending ending = Outage.ofTheQuestions(scene, scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER),
                    WireAction.HOLD_AND_CUT);
            CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
            if (arrival == Arrival.BEFORE) {
                assertEquals(List.of("INSERT 0 1; COMMIT"), scene.releaseHeld());
            }
            Set<Class<?>> answers = resolvedByMany(evidence, arrival == Arrival.MEANWHILE);
            List<String> late = scene.releaseHeld();
            assertEquals(1, answers.size(), () -> "they do not agree: " + answers);
            boolean committed = answers.contains(Committed.class);
            assertTrue(committed || answers.contains(NotCommitted.class), answers::toString);
            assertEquals(committed ? List.of(1) : List.of(), scene.effects(ending));
            assertEquals(committed ? "committed" : "tombstone", ledger.kind(evidence));
            if (arrival != Arrival.MEANWHILE) {
                assertEquals(arrival == Arrival.BEFORE, committed);
                assertEquals(arrival == Arrival.BEFORE ? List.of() : List.of("ERROR 23505"), late);
            }
        }
    }

    @Test
    void answerStaysTheSameForEver() throws SQLException {
        scene.call(engine().fencing(false)).returned(2);
        CommitEvidence evidence = tombstoned();
        try (ConnectTransactRetry executor = scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER).build()) {
            assertInstanceOf(NotCommitted.class, executor.resolve(evidence));
            assertNotCommitted(scene.releaseHeld());
            assertInstanceOf(NotCommitted.class, executor.resolve(evidence));
        }
    }

    /** Two engines ask from three threads each, all at once, perhaps while the late COMMIT arrives. */
    private static Set<Class<?>> resolvedByMany(CommitEvidence evidence, boolean late) throws Exception {
        int askers = 6;
        CyclicBarrier start = new CyclicBarrier(askers + (late ? 1 : 0));
        List<Caller<CommitOutcome>> callers = new ArrayList<>();
        try (ConnectTransactRetry one = scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER).fencing(false).build();
                ConnectTransactRetry other = scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER).fencing(false).build()) {
            for (int asker = 0; asker < askers; asker++) {
                ConnectTransactRetry executor = asker % 2 == 0 ? one : other;
                callers.add(Caller.start(() -> {
                    start.await(1, TimeUnit.MINUTES);
                    return executor.resolve(evidence);
                }));
            }
            if (late) {
                start.await(1, TimeUnit.MINUTES);
                scene.releaseHeld();
            }
            return callers.stream().map(caller -> caller.ending().returned().getClass()).collect(Collectors.toSet());
        }
    }

    private ConnectTransactRetryBuilder engine() {
        return scene.engine(chronicle).outcome(OutcomeMode.LEDGER);
    }

    /** The evidence of the one COMMIT that was asked about, which a tombstone keeps out. */
    private CommitEvidence tombstoned() throws SQLException {
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals("ledger", resolved.resolver(), resolved.toString());
        assertInstanceOf(NotCommitted.class, resolved.outcome());
        assertEquals("tombstone", ledger.kind(resolved.evidence()));
        return resolved.evidence();
    }

    private static void assertNotDelivered(List<String> said) {
        assertEquals(1, said.size());
        assertTrue(said.get(0).startsWith("FATAL 57P01") || said.get(0).equals("connection ended"), said.toString());
    }

    private static void assertNotCommitted(List<String> said) {
        assertTrue(said.stream().noneMatch(answer -> answer.contains("COMMIT")), said.toString());
    }
}
