package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptStarted;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Somebody holds the row that the ledger is asked for: the transaction itself, in the midst of its last message, or another. */
class LedgerWaitsTest {

    private static final TransactionOptions PATIENT = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(20));
    private static final String BLOCKED = " FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            + " AND query LIKE 'INSERT INTO%ledger%' AND query NOT LIKE '%tombstone%'";
    private static final String REPLICATING = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    private static final int OF_THE_OTHER_CALL = 7;

    private static CommitScene scene;
    private static LedgerView ledger;
    private static int keys;

    private final Chronicle chronicle = new Chronicle();

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        ledger = LedgerView.installed(scene);
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void passAll() {
        scene.script(WireScript.pass());
    }

    @AfterEach
    void waitForNobody() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void backendThatWaitsForAKeyIsEndedAndTheCallGoesAgain(boolean otherCommits) throws SQLException {
        String key = "key " + ++keys;
        try (Connection other = holdingKey(key)) {
            Ending ending = CommitScene.running(() -> scene.call(engine(), keyed(key)), () -> {
                int first = loseTheCommitThatWaits();
                Await.until("the second attempt to wait for the key", CommitScene.PATIENCE,
                        () -> Integer.parseInt(scene.ask("SELECT pid" + BLOCKED)) != first);
                end(other, otherCommits);
            });
            OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
            assertInstanceOf(NotCommitted.class, resolved.outcome(), resolved.toString());
            assertEquals("tombstone", ledger.kind(resolved.evidence()));
            assertEquals(Result.TERMINATED, chronicle.all(Fenced.class).get(0).result());
            requireOneEffect(ending, otherCommits, 2);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void backendThatWaitsForAKeyIsWaitedForWhereFencingIsOff(boolean otherCommits) throws SQLException {
        String key = "key " + ++keys;
        try (Connection other = holdingKey(key)) {
            Ending ending = CommitScene.running(() -> scene.call(engine().fencing(false), keyed(key)), () -> {
                loseTheCommitThatWaits();
                awaitLooks(Result.LIVING);
                end(other, otherCommits);
            });
            OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
            assertEquals(otherCommits ? NotCommitted.class : Committed.class, resolved.outcome().getClass(), resolved.toString());
            assertEquals(otherCommits ? "tombstone" : "committed", ledger.kind(resolved.evidence()));
            requireOneEffect(ending, otherCommits, 1);
        }
    }

    /** Ended there it would have committed without its replication: it is waited for, with fencing on. */
    @Test
    void backendInsideItsCommitIsWaitedFor() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "nobody");
        Ending ending = CommitScene.running(() -> scene.call(engine(), PATIENT), () -> {
            Await.until("a COMMIT that waits for the standby", CommitScene.PATIENCE, () -> replicating().size() == 1);
            scene.proxy().cutAll();
            awaitLooks(Result.COMMITTING);
            assertEquals("nothing", ledger.kind(chronicle.only(OutcomeAsked.class).evidence()), "neither shows yet");
            scene.server().alterSetting("synchronous_standby_names", "");
        });
        ending.returned(1);
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertInstanceOf(Committed.class, resolved.outcome(), resolved.toString());
        assertEquals("committed", ledger.kind(resolved.evidence()));
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void backendInsideItsCommitToTheEndIsADoubt() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "nobody");
        Ending ending = scene.call(engine(), CommitScene.SHORT);
        CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
        assertEquals(Set.of(Result.COMMITTING), looks());
        assertEquals(Set.of(evidence.backend().pid()), replicating(), "it was to be left alone");
        assertEquals(List.of(), scene.effects(ending));
        scene.server().alterSetting("synchronous_standby_names", "");
        Await.until("the COMMIT", CommitScene.PATIENCE, () -> scene.effects(ending).equals(List.of(1)));
        try (ConnectTransactRetry executor = scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER).build()) {
            assertInstanceOf(Committed.class, executor.resolve(evidence));
        }
    }

    /** Its row shows, and a failover could still lose it: the answer waits for the same replication. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void rowThatIsNotReplicatedYetIsNoAnswer(boolean standbyComes) throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "nobody");
        TransactionOptions options = standbyComes ? PATIENT : TransactionOptions.defaults().withTimeout(Duration.ofSeconds(4));
        Ending ending = CommitScene.running(() -> scene.call(engine().resolverDataSource(careless()), options), () -> {
            Await.until("a COMMIT that waits for the standby", CommitScene.PATIENCE, () -> replicating().size() == 1);
            int writer = replicating().iterator().next();
            scene.execute("SELECT pg_terminate_backend(" + writer + ")");
            Await.until("the resolver's COMMIT to wait for it too", CommitScene.PATIENCE,
                    () -> replicating().stream().anyMatch(pid -> pid != writer));
            assertEquals(List.of(), chronicle.all(OutcomeResolved.class));
            if (standbyComes) {
                scene.server().alterSetting("synchronous_standby_names", "");
            }
        });
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals(standbyComes ? Committed.class : Unknown.class, resolved.outcome().getClass(), resolved.toString());
        assertEquals(List.of(1), scene.effects(ending));
    }

    /** The same of a tombstone: where it is not replicated, a new primary would let the late COMMIT's retry go twice. */
    @Test
    void tombstoneWhoseReplicationWasCancelledIsNoAnswer() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        chronicle.onFirst(OutcomeAsked.class, asked -> scene.server().alterSetting("synchronous_standby_names", "nobody"));
        ConnectTransactRetryBuilder engine = engine().fencing(false).resolverDataSource(careless());
        Ending ending = CommitScene.running(() -> scene.call(engine, PATIENT), () -> {
            Await.until("the tombstone's COMMIT to wait for the standby", CommitScene.PATIENCE, () -> replicating().size() == 1);
            scene.execute("SELECT pg_cancel_backend(" + replicating().iterator().next() + ")");
        });
        ending.unknown();
        assertTrue(chronicle.only(OutcomeResolved.class).outcome().reason().contains("cancelled"), chronicle.toString());
        scene.server().alterSetting("synchronous_standby_names", "");
        assertEquals(List.of("ERROR 23505"), scene.releaseHeld());
        assertEquals(List.of(), scene.effects(ending));
    }

    /** Another resolver of the same token has its tombstone in and has not committed it. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void otherResolverIsWaitedFor(boolean otherCommits) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        try (Connection other = scene.server().connect()) {
            other.setAutoCommit(false);
            chronicle.onFirst(OutcomeAsked.class, asked -> insert(other, "(kind, token) VALUES ('tombstone', '"
                    + asked.evidence().ledger().token() + "')"));
            Ending ending = CommitScene.running(() -> scene.call(engine().fencing(false), PATIENT), () -> {
                awaitLooks(Result.LIVING);
                end(other, otherCommits);
            });
            chronicle.requireActed();
            ending.returned(2);
            String reason = chronicle.only(OutcomeResolved.class).outcome().reason();
            assertTrue(reason.contains(otherCommits ? "keeps it out" : "now keeps it out"), reason);
            assertEquals(!otherCommits, reason.contains("now"), reason);
            assertEquals(List.of("ERROR 23505"), scene.releaseHeld());
            assertEquals(List.of(2), scene.effects(ending));
        }
    }

    private ConnectTransactRetryBuilder engine() {
        return scene.engine(chronicle).outcome(OutcomeMode.LEDGER);
    }

    /** Sessions whose own setting would have the resolver wait for no standby. */
    private static DataSource careless() {
        PGSimpleDataSource sessions = scene.dataSource();
        sessions.setOptions("-c synchronous_commit=local");
        return sessions;
    }

    private static TransactionOptions keyed(String key) {
        return Keys.attempts(key).withTimeout(PATIENT.timeout());
    }

    /** Another call's transaction, which has its row in and is not committed. */
    private static Connection holdingKey(String key) throws SQLException {
        Connection other = scene.server().connect();
        other.setAutoCommit(false);
        insert(other, "(token, kind, idempotency_key, label, codec, result) VALUES (gen_random_uuid(), 'committed', '" + key
                + "', '', 'attempt', '" + OF_THE_OTHER_CALL + "')");
        return other;
    }

    private static void insert(Connection connection, String row) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("INSERT INTO " + ledger.schema().ledger() + row);
        }
    }

    private static void end(Connection other, boolean commit) throws SQLException {
        if (commit) {
            other.commit();
        } else {
            other.rollback();
        }
    }

    /** The connection breaks while the server is inside INSERT and COMMIT; the backend's process id. */
    private static int loseTheCommitThatWaits() throws SQLException {
        Await.until("the row to wait for the key", CommitScene.PATIENCE,
                () -> scene.ask("SELECT count(*)" + BLOCKED).equals("1"));
        int pid = Integer.parseInt(scene.ask("SELECT pid" + BLOCKED));
        scene.proxy().cutAll();
        return pid;
    }

    /** Waits until the backend was looked at more than once, and the question was not answered. */
    private void awaitLooks(Result expected) {
        Await.until("the question to be repeated", CommitScene.PATIENCE, () -> chronicle.all(Fenced.class).size() >= 3);
        assertEquals(Set.of(expected), looks());
        assertEquals(List.of(), chronicle.all(OutcomeResolved.class));
        assertEquals(1, chronicle.all(AttemptStarted.class).size());
    }

    private Set<Result> looks() {
        return chronicle.all(Fenced.class).stream().map(Fenced::result).collect(Collectors.toSet());
    }

    private static Set<Integer> replicating() throws SQLException {
        String pids = scene.ask("SELECT string_agg(pid::text, ',')" + REPLICATING);
        return pids == null ? Set.of() : Set.of(pids.split(",")).stream().map(Integer::valueOf).collect(Collectors.toSet());
    }

    /** Either this call took effect, in that attempt, or the other one's result was found. */
    private void requireOneEffect(Ending ending, boolean otherCommitted, int attempt) throws SQLException {
        ending.returned(otherCommitted ? OF_THE_OTHER_CALL : attempt);
        assertEquals(otherCommitted ? List.of() : List.of(attempt), scene.effects(ending));
        assertEquals(otherCommitted ? 1 : 0, chronicle.all(StoredResultReturned.class).size());
    }
}
