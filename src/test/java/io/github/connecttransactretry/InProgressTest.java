package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

/** The COMMIT is on its way and may still arrive: fenced or waited for, never run twice. */
class InProgressTest {

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open(PostgresServer.builder().setting("max_prepared_transactions", "2"));
        scene.execute("CREATE ROLE other LOGIN", "CREATE ROLE monitor LOGIN IN ROLE pg_monitor",
                "CREATE ROLE app LOGIN", "GRANT INSERT ON effect TO app");
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

    @Test
    void abandonedBackendIsFencedAndTheLateCommitComesToNothing() throws SQLException {
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle));
        ending.returned(2);
        assertEquals(Result.TERMINATED, chronicle.all(Fenced.class).get(0).result());
        CommitEvidence evidence = chronicle.only(OutcomeResolved.class).evidence();
        assertEquals(evidence.backend(), chronicle.all(Fenced.class).get(0).backend());
        assertNotDelivered(scene.releaseHeld());
        assertEquals(List.of(2), scene.effects(ending));
    }

    /** With its statistics reset a server looks as after a crash, and yet our backend lives. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void newestIdOfTheServerIsNotTakenForAFutureOrAStrangersOne(boolean reset) throws SQLException {
        Chronicle chronicle = new Chronicle();
        if (reset) {
            chronicle.onFirst(OutcomeAsked.class, asked -> scene.execute("SELECT pg_stat_reset_shared('bgwriter')"));
        }
        chronicle.onFirst(Fenced.class, fenced -> chronicle.note(scene.ask("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")));
        Ending ending = scene.call(scene.engine(chronicle).fencing(false), CommitScene.SHORT);
        chronicle.requireActed();
        CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
        assertTrue(Long.parseLong(chronicle.order().get(0)) <= evidence.transactionId(), "it was not the newest: " + chronicle);
        assertTrue(chronicle.all(Fenced.class).stream().allMatch(fenced -> fenced.result() == Result.LIVING), chronicle.toString());
        assertTrue(scene.lives(evidence.backend().pid()));
        assertEquals(List.of("COMMIT"), scene.releaseHeld());
        assertEquals(List.of(1), scene.effects(ending), "it did commit later: anything but Unknown was a lie");
    }

    @Test
    void commitThatArrivesWhileItIsAskedForIsCommitted() throws SQLException {
        Chronicle chronicle = new Chronicle();
        chronicle.onFirst(Fenced.class, fenced -> scene.releaseHeld());
        Ending ending = scene.call(scene.engine(chronicle).fencing(false));
        chronicle.requireActed();
        ending.returned(1);
        assertEquals(List.of(1), scene.effects(ending));
    }

    @ParameterizedTest
    @CsvSource({"other, HIDDEN", "monitor, LIVING"})
    void backendOfAnotherRoleIsWaitedFor(String resolverRole, Result seen) throws SQLException {
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(as("app", resolverRole, chronicle), CommitScene.SHORT);
        CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
        assertTrue(chronicle.all(Fenced.class).stream().allMatch(fenced -> fenced.result() == seen), chronicle.toString());
        assertTrue(scene.lives(evidence.backend().pid()));
        assertEquals(List.of("COMMIT"), scene.releaseHeld());
        assertEquals(List.of(1), scene.effects(ending), "it did commit later: anything but Unknown was a lie");
    }

    @Test
    void backendOfAnotherRoleThatCommitsMeanwhileHasCommitted() throws SQLException {
        Chronicle chronicle = new Chronicle();
        chronicle.onFirst(Fenced.class, fenced -> fenced.result() == Result.HIDDEN, fenced -> scene.releaseHeld());
        Ending ending = scene.call(as("app", "other", chronicle));
        chronicle.requireActed();
        ending.returned(1);
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void preparedTransactionIsUnknownAndNotRunAgain() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle),
                TransactionOptions.defaults().withTimeout(Duration.ofSeconds(5)).withEvidenceAtBegin(), InProgressTest::prepareBehindTheGuard);
        ending.unknown();
        CommitOutcome outcome = chronicle.only(OutcomeResolved.class).outcome();
        assertTrue(outcome.reason().contains("prepared"), outcome.reason());
        assertEquals(List.of(), scene.effects(ending));
        scene.execute("COMMIT PREPARED 'behind the guard'");
        assertEquals(List.of(1), scene.effects(ending), "somebody did commit it later");
    }

    @Test
    void preparedTransactionAfterACrashIsUnknownToo() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        chronicle.onFirst(OutcomeAsked.class, asked -> {
            scene.server().crash();
            scene.server().start();
        });
        Ending ending = scene.call(scene.engine(chronicle),
                TransactionOptions.defaults().withEvidenceAtBegin(), InProgressTest::prepareBehindTheGuard);
        chronicle.requireActed();
        ending.unknown();
        CommitOutcome outcome = chronicle.only(OutcomeResolved.class).outcome();
        assertTrue(outcome.reason().contains("prepared"), outcome.reason());
        scene.execute("COMMIT PREPARED 'behind the guard'");
        assertEquals(List.of(1), scene.effects(ending), "somebody did commit it later");
    }

    private static ConnectTransactRetryBuilder as(String role, String resolverRole, Chronicle chronicle) {
        return scene.engine(chronicle, role).resolverDataSource(scene.dataSource(scene.proxy().port(), resolverRole));
    }

    /** What the guard refuses and unwrap lets through; the transaction that is open afterwards is another one. */
    private static void prepareBehindTheGuard(Transaction tx) throws SQLException {
        Connection bare = (Connection) tx.connection().unwrap(PGConnection.class);
        try (Statement statement = bare.createStatement()) {
            statement.execute("PREPARE TRANSACTION 'behind the guard'; BEGIN; SELECT 1");
        }
    }

    private static void assertNotDelivered(List<String> said) {
        assertEquals(1, said.size());
        assertTrue(said.get(0).startsWith("FATAL 57P01") || said.get(0).equals("connection ended"), said.toString());
    }
}
