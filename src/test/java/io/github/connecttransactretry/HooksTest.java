package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptStarted;
import io.github.connecttransactretry.observe.TransactionEvent.CallSucceeded;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Hooks speak of what is proven, run outside the transaction, and change nothing of its outcome. */
class HooksTest {

    private static CommitScene scene;

    private final Chronicle chronicle = new Chronicle();

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void passAll() {
        scene.script(WireScript.pass());
    }

    @Test
    void committedAtOnce() {
        Ending ending = call(scene.engine(chronicle));
        ending.returned(1);
        assertEquals(List.of("AttemptStarted", "afterCommit 1", "CallSucceeded"), order());
    }

    @Test
    void afterCommitWaitsForTheProof() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Ending ending = call(scene.engine(chronicle));
        ending.returned(1);
        assertEquals(List.of("AttemptStarted", "OutcomeAsked", "OutcomeResolved", "afterCommit 1", "CallSucceeded"), order());
    }

    @Test
    void afterRollbackWaitsForTheProofAndRunsPerAttempt() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Ending ending = call(scene.engine(chronicle));
        ending.returned(2);
        assertEquals(List.of("AttemptStarted", "OutcomeAsked", "OutcomeResolved", "afterRollback 1", "AttemptStarted", "afterCommit 2",
                "CallSucceeded"), order());
    }

    @Test
    void unknownIsNeitherCommittedNorRolledBack() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Ending ending = call(scene.engine(chronicle).fencing(false));
        String evidence = ending.unknown().evidence().orElseThrow().toString();
        assertEquals(List.of("AttemptStarted", "OutcomeAsked", "OutcomeResolved", "onUnknown 1 " + evidence), order());
    }

    @Test
    void unknownWithoutAnyEvidenceTellsSo() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        call(scene.engine(chronicle).outcome(OutcomeMode.NONE)).unknown();
        assertEquals(List.of("AttemptStarted", "OutcomeAsked", "OutcomeResolved", "onUnknown 1 null"), order());
    }

    @Test
    void rollbackOnlyRunsAfterRollback() throws SQLException {
        Ending ending = scene.call(scene.engine(chronicle), TransactionOptions.defaults(), tx -> {
            note(tx);
            tx.rollbackOnly();
        });
        assertEquals(List.of(), scene.effects(ending));
        assertEquals(List.of("AttemptStarted", "afterRollback 1", "CallSucceeded"), order());
    }

    @Test
    void connectionIsGivenBackAndAnotherRunIsAllowedInAfterCommit() throws SQLException {
        AtomicReference<ConnectTransactRetry> executor = new AtomicReference<>();
        try (ConnectTransactRetry engine = scene.engine(chronicle).build()) {
            executor.set(engine);
            engine.execute(tx -> {
                write(tx.connection(), "outer");
                tx.afterCommit(() -> {
                    Await.until("the session to end", CommitScene.PATIENCE, () -> scene.proxy().openConnections() == 0);
                    chronicle.note("given back");
                    executor.get().run(inner -> write(inner.connection(), "inner"));
                });
            });
        }
        assertEquals(List.of("given back"), chronicle.all(String.class));
        assertEquals("2", scene.ask("SELECT count(*) FROM effect WHERE call IN ('outer', 'inner')"));
    }

    @Test
    void throwingHooksCannotFailTheCall() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Ending ending = scene.call(scene.engine(chronicle), TransactionOptions.defaults(), tx -> {
            tx.afterCommit(() -> {
                throw new IllegalStateException("of a hook");
            });
            tx.afterRollback(() -> {
                throw new AssertionError("of a hook");
            });
            note(tx);
        });
        ending.returned(2);
        assertEquals(List.of(2), scene.effects(ending));
        assertEquals(List.of("afterRollback 1", "afterCommit 2"), chronicle.all(String.class), "the hooks after one that throws");
    }

    @Test
    void throwingOnUnknownDoesNotHideTheDoubt() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Ending ending = scene.call(scene.engine(chronicle).outcome(OutcomeMode.NONE), CommitScene.SHORT, tx -> tx.onUnknown(evidence -> {
            throw new IllegalStateException("of a hook");
        }));
        ending.unknown();
    }

    private Ending call(ConnectTransactRetryBuilder engine) {
        return scene.call(engine, CommitScene.SHORT, this::note);
    }

    private void note(Transaction tx) {
        int attempt = tx.attempt();
        tx.afterCommit(() -> chronicle.note("afterCommit " + attempt));
        tx.afterRollback(() -> chronicle.note("afterRollback " + attempt));
        tx.onUnknown(evidence -> chronicle.note("onUnknown " + attempt + " " + evidence));
    }

    private List<String> order() {
        return chronicle.order(AttemptStarted.class, OutcomeAsked.class, OutcomeResolved.class, CallSucceeded.class);
    }

    private static int write(Connection connection, String call) {
        try (Statement insert = connection.createStatement()) {
            return insert.executeUpdate("INSERT INTO effect VALUES ('" + call + "', 1)");
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }
}
