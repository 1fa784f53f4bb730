package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The synchronous standby is away, and somebody ends the wait of a COMMIT for it: the row is there for all to see, and a
 * failover would lose it. The ledger's answer waits for the standby as the COMMIT did, or is Unknown.
 */
@Tag("matrix")
class UnreplicatedCommitTest {

    private static final Duration SHORT = Duration.ofSeconds(3);
    private static final TransactionOptions BRIEF = TransactionOptions.defaults().withTimeout(SHORT);
    private static final TransactionOptions PATIENT = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(40));

    /** How much longer than its deadline a call may take, as the contract says. */
    private static final Duration OVERRUN = Duration.ofSeconds(1);

    private final Chronicle chronicle = new Chronicle();
    private FailoverScene scene;
    private ConnectTransactRetry engine;

    @BeforeEach
    void loseTheStandby() throws SQLException {
        scene = FailoverScene.open(true, 2);
        scene.addStandby();
        scene.standby().stop();
        engine = ConnectTransactRetry.builder(scene.pool()).outcome(OutcomeMode.LEDGER).listener(chronicle).build();
    }

    @AfterEach
    void close() {
        scene.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"pg_cancel_backend", "pg_terminate_backend"})
    void isUnknownAtTheDeadlineAndCommittedOnceTheStandbyIsBack(String stop) throws SQLException {
        Ending ending = within(SHORT,
                () -> CommitScene.running(() -> scene.call(engine, BRIEF, "call"), () -> stopTheWriter(stop)));
        CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
        assertInstanceOf(Unknown.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals(List.of(1), scene.effects().get("call"), "the writer has committed locally");
        Duration limit = Duration.ofSeconds(1);
        assertInstanceOf(Unknown.class, within(limit, () -> engine.resolve(evidence, limit)), "its own COMMIT would wait too");
        scene.standby().start();
        CommitOutcome later = engine.resolve(CommitEvidence.parse(evidence.toString()), PATIENT.timeout());
        assertInstanceOf(Committed.class, later, later.toString());
        assertTrue(scene.audited().unknown().get(0).committed());
    }

    @ParameterizedTest
    @ValueSource(strings = {"pg_cancel_backend", "pg_terminate_backend"})
    void isCommittedAsSoonAsTheStandbyIsBack(String stop) throws SQLException {
        Ending ending = CommitScene.running(() -> scene.call(engine, PATIENT, "call"), () -> {
            scene.awaitSynchronousWait(stopTheWriter(stop));
            assertEquals(List.of(), chronicle.all(OutcomeResolved.class), "not before the ledger's answer is replicated");
            scene.standby().start();
        });
        ending.returned(1);
        assertInstanceOf(Committed.class, chronicle.only(OutcomeResolved.class).outcome());
        requireOneEffect();
    }

    @ParameterizedTest
    @ValueSource(strings = {"pg_cancel_backend", "pg_terminate_backend"})
    void goesAgainOnTheNewPrimaryWhichNeverGotIt(String stop) throws SQLException {
        Ending ending = CommitScene.running(() -> scene.call(engine, PATIENT, "call"), () -> {
            scene.awaitSynchronousWait(stopTheWriter(stop));
            assertEquals(List.of(1), scene.effects().get("call"), "there for all to see");
            scene.failOver();
        });
        NotCommitted answer = assertInstanceOf(NotCommitted.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals(scene.timeline(), answer.timeline());
        assertTrue(ending.thrown() == null && ending.attempt() > 1, ending::toString);
        requireOneEffect();
    }

    @Test
    void waitThatIsCancelledForTheAnswerItselfProvesNothing() throws SQLException {
        Ending ending = CommitScene.running(() -> scene.call(engine, PATIENT, "call"), () -> {
            int resolver = scene.awaitSynchronousWait(stopTheWriter("pg_terminate_backend"));
            CommitScene.ask(scene.primary(), "SELECT pg_cancel_backend(" + resolver + ")");
        });
        ending.unknown();
        assertTrue(chronicle.only(OutcomeResolved.class).outcome().reason().contains("cancelled"), chronicle.toString());
    }

    /** A tombstone that is not replicated keeps nothing out of the history that a failover would leave. */
    @Test
    void tombstoneThatIsNotReplicatedIsNoAnswerEither() throws SQLException {
        scene.proxy().script(WireScript.once(WireRequest::isCommit, WireAction.CUT_BEFORE));
        Ending ending = within(SHORT, () -> scene.call(engine, BRIEF, "call"));
        CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
        assertInstanceOf(Unknown.class, chronicle.only(OutcomeResolved.class).outcome());
        scene.standby().start();
        CommitOutcome later = engine.resolve(evidence, PATIENT.timeout());
        assertInstanceOf(NotCommitted.class, later, later.toString());
        assertEquals(null, scene.effects().get("call"));
    }

    private void requireOneEffect() throws SQLException {
        AuditReport report = scene.audited();
        assertTrue(report.isExactlyOnce() && report.acknowledged() == 1, report::toString);
    }

    /** Ends the wait of the call's COMMIT; the process id. */
    private int stopTheWriter(String function) throws SQLException {
        int writer = scene.awaitSynchronousWait(0);
        CommitScene.ask(scene.primary(), "SELECT " + function + "(" + writer + ")");
        return writer;
    }

    private static <T> T within(Duration limit, Supplier<T> asked) {
        long began = System.nanoTime();
        T answer = asked.get();
        Duration took = Duration.ofNanos(System.nanoTime() - began);
        assertTrue(took.compareTo(limit.plus(OVERRUN)) < 0, () -> "took " + took.toMillis() + " ms of " + limit.toMillis());
        return answer;
    }
}
