package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Nothing but proof ends a doubt: no interrupt, no deadline, no Error; and what is no doubt is not called one. */
@Tag("matrix")
class DoubtTest {

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        scene.execute("CREATE TABLE late (n int CONSTRAINT late_n UNIQUE DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO late VALUES (1)");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void passAll() {
        scene.releaseHeld();
        scene.script(WireScript.pass());
    }

    @AfterEach
    void listenAgain() {
        scene.proxy().refuse(false);
        assertFalse(Thread.interrupted(), "a flag was left");
    }

    @Test
    void interruptWhileInDoubtDoesNotHideACommit() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Ending ending = scene.call(scene.engine(interruptedOn(OutcomeAsked.class)));
        assertTrue(Thread.interrupted(), "the flag is to be set again");
        ending.returned(1);
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void interruptWhileInDoubtSpeaksOnceItIsNotCommitted() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_BEFORE));
        Ending ending = scene.call(scene.engine(interruptedOn(OutcomeAsked.class)));
        assertTrue(Thread.interrupted(), "the flag is to be set again");
        TransactionInterruptedException interrupted = ending.threw(TransactionInterruptedException.class);
        assertEquals(1, interrupted.failures().size());
        assertEquals(List.of(), scene.effects(ending));
    }

    @Test
    void interruptWhileInDoubtDoesNotHideTheDoubt() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Ending ending = scene.call(scene.engine(interruptedOn(Fenced.class)).fencing(false), CommitScene.SHORT);
        assertTrue(Thread.interrupted(), "the flag is to be set again");
        ending.unknown();
    }

    /** The flag is set between two looks, so that the wait between them is what it ends. */
    @Test
    void interruptInTheWaitBetweenTwoQuestionsEndsOnlyTheWait() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = interruptedOn(Fenced.class);
        Ending ending = CommitScene.running(() -> {
            Ending inner = scene.call(scene.engine(chronicle).fencing(false));
            chronicle.note("interrupted " + Thread.interrupted());
            return inner;
        }, () -> {
            Await.until("questions after the interrupt", CommitScene.PATIENCE,
                    () -> chronicle.all(Fenced.class).size() > 3);
            scene.releaseHeld();
        });
        chronicle.requireActed();
        ending.returned(1);
        assertEquals(List.of("interrupted true"), chronicle.all(String.class));
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void exhaustedDeadlineDoesNotHideTheDoubt() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> scene.proxy().refuse(true));
        long began = System.nanoTime();
        Ending ending = scene.call(scene.engine(chronicle), CommitScene.SHORT);
        Duration took = Duration.ofNanos(System.nanoTime() - began);
        chronicle.requireActed();
        CommitOutcomeUnknownException unknown = ending.unknown();
        assertNotNull(unknown.getCause());
        assertTrue(unknown.evidence().isPresent());
        assertTrue(took.compareTo(CommitScene.SHORT.timeout()) >= 0 && took.compareTo(Duration.ofSeconds(3)) < 0, took.toString());
        assertEquals(List.of(1), scene.effects(ending));
    }

    /** Whatever became of it: nobody else is to wait for its row locks. */
    @Test
    void backendOfACallThatEndsUnknownIsEndedAfterwards() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle).outcome(OutcomeMode.NONE));
        ending.unknown();
        Await.until("a look at the backend", CommitScene.PATIENCE, () -> !chronicle.all(Fenced.class).isEmpty());
        assertEquals(Result.TERMINATED, chronicle.only(Fenced.class).result());
        int pid = chronicle.only(Fenced.class).backend().pid();
        Await.until("the backend to end", CommitScene.PATIENCE, () -> !scene.lives(pid));
        scene.releaseHeld();
        assertEquals(List.of(), scene.effects(ending));
    }

    @Test
    void attemptsThatAreUsedUpDoNotHideTheDoubtNorAProof() throws SQLException {
        RetryPolicy once = RetryPolicy.defaults().withMaxAttempts(1);
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        scene.call(scene.engine(new Chronicle()).retryPolicy(once)).returned(1);
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_BEFORE));
        Ending undone = scene.call(scene.engine(new Chronicle()).retryPolicy(once));
        undone.threw(RetriesExhaustedException.class);
        assertEquals(List.of(), scene.effects(undone));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void errorOutOfACommitThatWentThroughReturnsTheValue(boolean error) throws SQLException {
        Throwable thrown = error ? new OutOfMemoryError("scripted") : new IllegalStateException("scripted");
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(FaultyCommit.after(scene, thrown).listener(chronicle));
        ending.returned(1);
        assertInstanceOf(CommitOutcome.Committed.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void errorOutOfACommitThatWasNeverSentIsThrownOnceThatIsProven() throws SQLException {
        Throwable thrown = new OutOfMemoryError("scripted");
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(FaultyCommit.before(scene, thrown).listener(chronicle));
        assertSame(thrown, ending.thrown());
        assertInstanceOf(CommitOutcome.NotCommitted.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals(List.of(), scene.effects(ending));
    }

    @Test
    void errorOutOfACommitThatNobodyCanLookUpIsTheCauseOfTheDoubt() {
        Throwable thrown = new OutOfMemoryError("scripted");
        Ending ending = scene.call(FaultyCommit.after(scene, thrown).outcome(OutcomeMode.NONE));
        assertSame(thrown, ending.unknown().getCause());
    }

    @Test
    void deferredViolationAtCommitIsReportedAndNoDoubt() throws SQLException {
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle), TransactionOptions.defaults(), tx -> {
            try (Statement insert = tx.connection().createStatement()) {
                insert.executeUpdate("INSERT INTO late VALUES (1)");
            }
            tx.afterRollback(() -> chronicle.note("afterRollback"));
        });
        TransactionFailedException failed = ending.threw(TransactionFailedException.class);
        assertEquals("23505", assertInstanceOf(SQLException.class, failed.getCause()).getSQLState());
        assertEquals(List.of(Phase.COMMIT), failed.failures().stream().map(failure -> failure.phase()).toList());
        assertEquals(List.of(), chronicle.all(OutcomeAsked.class));
        assertEquals(List.of("afterRollback"), chronicle.all(String.class));
        assertEquals(List.of(), scene.effects(ending));
    }

    private static <E extends TransactionEvent> Chronicle interruptedOn(Class<E> kind) {
        return new Chronicle().onFirst(kind, event -> Thread.currentThread().interrupt());
    }
}
