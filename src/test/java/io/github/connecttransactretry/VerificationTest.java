package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitVerification;
import io.github.connecttransactretry.outcome.CommitVerification.Finding;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** The user's own way to look, where the engine has no other: on what it finds the same proofs are demanded. */
@Tag("matrix")
class VerificationTest {

    private static final String WAITING = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

    private static CommitScene scene;

    private final Chronicle chronicle = new Chronicle();
    /** How often the verification was asked. */
    private final AtomicInteger looks = new AtomicInteger();
    private int effects;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        scene.execute("CREATE ROLE app LOGIN", "GRANT SELECT, INSERT ON effect TO app", "CREATE ROLE other LOGIN",
                "GRANT SELECT ON effect TO other");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void forgetEarlierCalls() throws SQLException {
        scene.releaseHeld();
        scene.script(WireScript.pass());
        effects = Integer.parseInt(scene.ask("SELECT count(*) FROM effect"));
    }

    @AfterEach
    void waitForNobody() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "");
    }

    @ParameterizedTest
    @EnumSource(names = {"CUT_BEFORE", "CUT_AFTER", "HOLD_AND_CUT"})
    void tellsCommittedFromNotCommitted(WireAction action) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Ending ending = scene.call(engine(), looking());
        int attempt = action == WireAction.CUT_AFTER ? 1 : 2;
        ending.returned(attempt);
        assertEquals("verification", chronicle.only(OutcomeResolved.class).resolver());
        assertEquals(1, looks.get());
        scene.releaseHeld();
        assertEquals(List.of(attempt), scene.effects(ending));
    }

    /** What it does not find may come, as long as the backend lives. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void isNotAskedBeforeTheBackendHasEnded(boolean commits) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Ending ending = CommitScene.running(() -> scene.call(engine().fencing(false), looking()), () -> {
            Await.until("the backend to be looked at again", CommitScene.PATIENCE, () -> chronicle.all(Fenced.class).size() >= 3);
            assertEquals(0, looks.get());
            if (commits) {
                scene.releaseHeld();
            } else {
                int pid = chronicle.only(OutcomeAsked.class).evidence().backend().pid();
                scene.execute("SELECT pg_terminate_backend(" + pid + ")");
            }
        });
        ending.returned(commits ? 1 : 2);
        assertEquals(commits ? Committed.class : NotCommitted.class, chronicle.only(OutcomeResolved.class).outcome().getClass());
        assertEquals(1, looks.get());
        scene.releaseHeld();
        assertEquals(List.of(commits ? 1 : 2), scene.effects(ending));
    }

    @Test
    void isNotAskedAtAllIfTheBackendLivesOn() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Ending ending = scene.call(engine().fencing(false), looking().withTimeout(CommitScene.SHORT.timeout()));
        ending.unknown();
        assertEquals(0, looks.get());
        assertEquals(List.of("COMMIT"), scene.releaseHeld());
        assertEquals(List.of(1), scene.effects(ending), "it did commit later: anything but Unknown was a lie");
    }

    @ParameterizedTest
    @EnumSource(names = {"CUT_AFTER", "HOLD_AND_CUT"})
    void findsNothingProvenWhereTheBackendCannotBeSeen(WireAction action) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Ending ending = scene.call(scene.engine(chronicle, "app").outcome(OutcomeMode.NONE)
                .resolverDataSource(scene.dataSource(scene.proxy().port(), "other")), looking());
        if (action == WireAction.CUT_AFTER) {
            ending.returned(1);
        } else {
            ending.unknown();
            assertEquals(Result.HIDDEN, chronicle.all(Fenced.class).get(0).result());
            requireReason("could not be seen ended");
            assertEquals(List.of("COMMIT"), scene.releaseHeld());
        }
        assertEquals(List.of(1), scene.effects(ending));
    }

    /** The row shows, and a failover could lose it: with the standby missing nobody may call it committed. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void committedIsBelievedOnlyOnceItIsSealed(boolean standbyComes) throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "nobody");
        TransactionOptions options = looking().withTimeout(standbyComes ? Duration.ofSeconds(20) : Duration.ofSeconds(4));
        PGSimpleDataSource careless = scene.dataSource();
        careless.setOptions("-c synchronous_commit=local");
        Ending ending = CommitScene.running(() -> scene.call(engine().resolverDataSource(careless), options), () -> {
            int writer = waiter(0);
            scene.execute("SELECT pg_terminate_backend(" + writer + ")");
            waiter(writer);
            assertEquals(1, looks.get());
            assertEquals(List.of(), chronicle.all(OutcomeResolved.class), "not before the seal is acknowledged");
            if (standbyComes) {
                scene.server().alterSetting("synchronous_standby_names", "");
            }
        });
        CommitOutcome outcome = chronicle.only(OutcomeResolved.class).outcome();
        assertEquals(standbyComes ? Committed.class : Unknown.class, outcome.getClass(), outcome.reason());
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void sealWhoseWaitIsCancelledProvesNothing() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "nobody");
        Ending ending = CommitScene.running(() -> scene.call(engine(), looking()), () -> {
            int writer = waiter(0);
            scene.execute("SELECT pg_terminate_backend(" + writer + ")");
            scene.execute("SELECT pg_cancel_backend(" + waiter(writer) + ")");
        });
        ending.unknown();
        requireReason("cancelled");
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void whatItCannotTellIsUnknown() {
        requireUnknown(connection -> Finding.CANNOT_TELL, "could not tell");
    }

    @Test
    void nothingAtAllIsUnknown() {
        requireUnknown(connection -> null, "could not tell");
    }

    @Test
    void oneThatThrowsIsUnknown() {
        requireUnknown(connection -> {
            throw new IllegalStateException("no such order");
        }, "verification failed: ", "no such order");
    }

    @Test
    void oneThatThrowsAnErrorIsUnknown() {
        requireUnknown(connection -> {
            throw new StackOverflowError("too deep");
        }, "verification failed: ", "too deep");
    }

    @Test
    void oneWhoseSqlIsWrongIsUnknown() {
        requireUnknown(connection -> {
            connection.createStatement().execute("SELECT FROM not_there");
            return Finding.NOT_COMMITTED;
        }, "verification failed: ", "not_there");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void oneWhoseConnectionIsLostIsAskedAgain(boolean throwsIt) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Ending ending = scene.call(engine(), TransactionOptions.defaults().withVerification(connection -> {
            if (looks.get() < 2) {
                if (throwsIt) {
                    looks.incrementAndGet();
                    throw new SQLException("the server is starting up", "57P03");
                }
                scene.proxy().cutAll();
            }
            return look(connection);
        }));
        ending.returned(1);
        assertEquals(3, looks.get());
        assertEquals(List.of(1), scene.effects(ending));
    }

    /** It may use the engine itself: the function is over by then. */
    @Test
    void mayRunTransactionsOfItsOwn() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        AtomicReference<ConnectTransactRetry> itself = new AtomicReference<>();
        CommitVerification verification =
                connection -> itself.get().run(TransactionOptions.readOnly(), tx -> look(tx.connection()));
        try (ConnectTransactRetry executor = engine().build()) {
            itself.set(executor);
            executor.execute(TransactionOptions.defaults().withVerification(verification), tx -> {
                try (Statement insert = tx.connection().createStatement()) {
                    insert.execute("INSERT INTO effect VALUES ('nested', 1)");
                }
            });
        }
        assertInstanceOf(Committed.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals("1", scene.ask("SELECT count(*) FROM effect WHERE call = 'nested'"));
    }

    private ConnectTransactRetryBuilder engine() {
        return scene.engine(chronicle).outcome(OutcomeMode.NONE);
    }

    private TransactionOptions looking() {
        return TransactionOptions.defaults().withVerification(this::look);
    }

    /** Whether there is one effect more than before the call. */
    private Finding look(Connection connection) throws SQLException {
        looks.incrementAndGet();
        try (Statement select = connection.createStatement();
                ResultSet row = select.executeQuery("SELECT count(*) FROM effect")) {
            row.next();
            return row.getInt(1) > effects ? Finding.COMMITTED : Finding.NOT_COMMITTED;
        }
    }

    private void requireUnknown(CommitVerification verification, String... words) {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_BEFORE));
        Ending ending = scene.call(engine(), TransactionOptions.defaults().withVerification(connection -> {
            looks.incrementAndGet();
            return verification.verify(connection);
        }));
        ending.unknown();
        assertEquals(1, looks.get(), "asked again it would say the same");
        requireReason(words);
    }

    private void requireReason(String... words) {
        CommitOutcome outcome = assertInstanceOf(Unknown.class, chronicle.only(OutcomeResolved.class).outcome());
        for (String word : words) {
            assertTrue(outcome.reason().contains(word), outcome::reason);
        }
    }

    /** Waits until a backend other than this one waits for the standby. */
    private static int waiter(int other) {
        int[] found = new int[1];
        Await.until("a COMMIT that waits for the standby", CommitScene.PATIENCE, () -> {
            found[0] = Integer.parseInt(scene.ask("SELECT pid" + WAITING + " AND pid <> " + other));
            return true;
        });
        return found[0];
    }
}
