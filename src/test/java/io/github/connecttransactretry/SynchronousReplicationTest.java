package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.observe.TransactionEvent.AcknowledgedNotReplicated;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** A COMMIT that waits for a synchronous standby which is not there, and a "committed" that is not replicated yet. */
@Tag("matrix")
class SynchronousReplicationTest {

    private static final String WAITING = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    private static final TransactionOptions LONGER = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(10));

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void waitForAStandbyThatIsNotThere() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "nobody");
    }

    @AfterEach
    void waitForNobody() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "");
        Await.until("the end of all waits", CommitScene.PATIENCE, () -> scene.ask("SELECT count(*)" + WAITING).equals("0"));
    }

    @Test
    void backendInCommitIsNotTerminated() throws SQLException {
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle), CommitScene.SHORT);
        CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
        // The call's own look, and the one after the call for the sake of others.
        Await.until("the last look", CommitScene.PATIENCE, () -> looksAfterTheCall(chronicle) == 1);
        assertEquals(Set.of(Result.COMMITTING), Set.copyOf(chronicle.all(Fenced.class).stream().map(Fenced::result).toList()));
        assertEquals(evidence.backend().pid() + "", scene.ask("SELECT pid" + WAITING));
        assertEquals(List.of(), scene.effects(ending), "a COMMIT that still waits must not show");
        scene.server().alterSetting("synchronous_standby_names", "");
        Await.until("the COMMIT", CommitScene.PATIENCE, () -> scene.effects(ending).equals(List.of(1)));
    }

    @Test
    void commitThatIsReleasedWhileItIsAskedForIsCommitted() throws SQLException {
        Chronicle chronicle = new Chronicle();
        chronicle.onFirst(Fenced.class, fenced -> fenced.result() == Result.COMMITTING,
                fenced -> scene.server().alterSetting("synchronous_standby_names", ""));
        Ending ending = scene.call(scene.engine(chronicle), TransactionOptions.defaults().withTimeout(Duration.ofSeconds(4)));
        chronicle.requireActed();
        ending.returned(1);
        assertEquals(List.of(1), scene.effects(ending));
    }

    @ParameterizedTest
    @ValueSource(strings = {"pg_cancel_backend", "pg_terminate_backend"})
    void committedIsNotBelievedWhileTheSealIsNotAcknowledged(String stop) throws SQLException {
        Chronicle chronicle = new Chronicle();
        Ending ending = CommitScene.running(() -> scene.call(scene.engine(chronicle), CommitScene.SHORT), () -> stopTheWriter(stop));
        ending.unknown();
        assertEquals(stop.equals("pg_cancel_backend") ? 1 : 0, chronicle.all(AcknowledgedNotReplicated.class).size());
        assertTrue(chronicle.only(OutcomeResolved.class).outcome() instanceof Unknown, chronicle.toString());
        assertEquals(List.of(1), scene.effects(ending), "the writer has committed locally");
    }

    @ParameterizedTest
    @ValueSource(strings = {"pg_cancel_backend", "pg_terminate_backend"})
    void committedIsBelievedOnceTheSealIsAcknowledged(String stop) throws SQLException {
        Chronicle chronicle = new Chronicle();
        Ending ending = CommitScene.running(() -> scene.call(scene.engine(chronicle), LONGER), () -> {
            int writer = stopTheWriter(stop);
            awaitWaiter(writer);
            assertEquals(List.of(), chronicle.all(OutcomeResolved.class), "not before the seal is acknowledged");
            scene.server().alterSetting("synchronous_standby_names", "");
        });
        ending.returned(1);
        assertTrue(chronicle.only(OutcomeResolved.class).outcome() instanceof Committed, chronicle.toString());
        assertEquals(stop.equals("pg_cancel_backend") ? 1 : 0, chronicle.all(AcknowledgedNotReplicated.class).size());
        assertEquals(List.of(1), scene.effects(ending));
    }

    @ParameterizedTest
    @ValueSource(strings = {"warning", "error"})
    void sealWhoseOwnWaitIsCancelledProvesNothing(String clientMinMessages) throws SQLException {
        Chronicle chronicle = new Chronicle();
        PGSimpleDataSource sessions = scene.dataSource(scene.proxy().port(), PostgresServer.SUPERUSER);
        // At "error" the server would keep to itself that it gave up waiting, to the writer and to the seal.
        sessions.setOptions("-c client_min_messages=" + clientMinMessages);
        ConnectTransactRetryBuilder engine = ConnectTransactRetry.builder(() -> sessions.getConnection()).listener(chronicle);
        Ending ending = CommitScene.running(() -> scene.call(engine, LONGER), () -> {
            int writer = stopTheWriter("pg_cancel_backend");
            int seal = awaitWaiter(writer);
            scene.execute("SELECT pg_cancel_backend(" + seal + ")");
        });
        ending.unknown();
        chronicle.only(AcknowledgedNotReplicated.class);
        assertTrue(chronicle.only(OutcomeResolved.class).outcome().reason().contains("cancelled"), chronicle.toString());
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void withoutAResolverTheValueIsReturnedAndTheLossIsTold() throws SQLException {
        Chronicle chronicle = new Chronicle();
        Ending ending = CommitScene.running(() -> scene.call(scene.engine(chronicle).outcome(OutcomeMode.NONE), LONGER),
                () -> stopTheWriter("pg_cancel_backend"));
        ending.returned(1);
        assertEquals(null, chronicle.only(AcknowledgedNotReplicated.class).evidence());
        assertEquals(List.of(), chronicle.all(OutcomeAsked.class));
    }

    private static int looksAfterTheCall(Chronicle chronicle) {
        List<String> order = chronicle.order(OutcomeResolved.class, Fenced.class);
        return order.size() - 1 - order.indexOf(OutcomeResolved.class.getSimpleName());
    }

    /** Ends the writer's wait; its process id. */
    private static int stopTheWriter(String function) throws SQLException {
        int writer = awaitWaiter(0);
        scene.execute("SELECT " + function + "(" + writer + ")");
        return writer;
    }

    /** Waits until a backend other than this one waits for the standby. */
    private static int awaitWaiter(int other) throws SQLException {
        int[] found = new int[1];
        Await.until("a COMMIT that waits for the standby", CommitScene.PATIENCE, () -> {
            found[0] = Integer.parseInt(scene.ask("SELECT pid" + WAITING + " AND pid <> " + other));
            return true;
        });
        return found[0];
    }
}
