package io.github.connecttransactretry;

import static io.github.connecttransactretry.KeyedScene.claimed;
import static io.github.connecttransactretry.KeyedScene.freshKey;
import static io.github.connecttransactretry.KeyedScene.work;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.KeyedScene.Work;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.TransactionEvent.AcknowledgedNotReplicated;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** A keyed call whose COMMIT gets no answer, and a stored result that is not yet there to stay. */
class IdempotencyKeyInDoubtTest {

    private static final String WAITING = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    private static final String LOCAL = "-c synchronous_commit=local";

    private static KeyedScene keyed;

    @BeforeAll
    static void open() throws SQLException {
        keyed = KeyedScene.open();
    }

    @AfterAll
    static void close() {
        keyed.close();
    }

    @AfterEach
    void allIsWell() throws SQLException {
        keyed.scene().script(WireScript.pass());
        keyed.scene().proxy().refuse(false);
        keyed.scene().releaseHeld();
        keyed.scene().server().alterSetting("synchronous_standby_names", "");
        Await.until("the end of all waits", CommitScene.PATIENCE, () -> keyed.scene().ask("SELECT count(*)" + WAITING).equals("0"));
    }

    @ParameterizedTest
    @CsvSource({"CUT_AFTER, false", "CUT_AFTER, true", "CUT_BEFORE, false", "CUT_BEFORE, true", "HOLD_AND_CUT, false",
        "HOLD_AND_CUT, true", "BLACK_HOLE_BEFORE, false", "BLACK_HOLE_BEFORE, true", "BLACK_HOLE_AFTER, false",
        "BLACK_HOLE_AFTER, true"})
    void commitInDoubtIsResolvedAndThereIsOneResult(WireAction action, boolean claimed) throws SQLException {
        String key = freshKey();
        TransactionOptions options = options(key, claimed).withTimeout(CommitScene.PATIENCE);
        keyed.scene().script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle();
        String value;
        try (ConnectTransactRetry engine = impatient(chronicle).build()) {
            value = engine.run(options, tx -> {
                KeyedScene.leave(tx, key, "attempt-" + tx.attempt());
                return "attempt-" + tx.attempt();
            });
        }
        assertFalse(chronicle.all(OutcomeAsked.class).isEmpty(), "the COMMIT was never in doubt");
        boolean delivered = action == WireAction.CUT_AFTER || action == WireAction.BLACK_HOLE_AFTER;
        assertEquals(delivered, value.equals("attempt-1"), value);
        keyed.scene().script(WireScript.pass());
        // Whatever was held back comes now, too late.
        keyed.scene().releaseHeld();
        assertEquals(List.of(value), keyed.effects(key));
        requireRepeated(value, options, key);
    }

    /** Nobody could be asked within the call's time; the caller asks for the work again under the same key. */
    @ParameterizedTest
    @CsvSource({"CUT_AFTER, false", "CUT_AFTER, true", "CUT_BEFORE, false", "CUT_BEFORE, true", "HOLD_AND_CUT, false",
        "HOLD_AND_CUT, true"})
    void workOfACallThatEndedUnknownIsNotDoneTwiceByItsRepeat(WireAction action, boolean claimed) throws SQLException {
        String key = freshKey();
        CommitEvidence evidence = endUnknown(key, action, claimed, true);
        Chronicle chronicle = new Chronicle();
        Work<String> again = work(key, "again");
        String expected = action == WireAction.CUT_AFTER ? "first" : "again";
        try (ConnectTransactRetry engine = keyed.engine(chronicle).build()) {
            assertEquals(expected, engine.run(options(key, claimed).withTimeout(CommitScene.PATIENCE), again));
            keyed.scene().releaseHeld();
            assertEquals(List.of(expected), keyed.effects(key));
            CommitOutcome first = engine.resolve(evidence);
            assertEquals(action == WireAction.CUT_AFTER, first instanceof CommitOutcome.Committed, first.toString());
            assertEquals(action != WireAction.CUT_AFTER, first instanceof CommitOutcome.NotCommitted, first.toString());
        }
        assertEquals(expected.equals("first") ? 0 : 1, again.runs());
    }

    /** The late COMMIT comes before the repeat, or in the middle of it. */
    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, false"})
    void lateCommitOfACallThatEndedUnknownCountsOnce(boolean inTheRepeat, boolean claimed) throws SQLException {
        String key = freshKey();
        CommitEvidence evidence = endUnknown(key, WireAction.HOLD_AND_CUT, claimed, false);
        if (!inTheRepeat) {
            assertFalse(keyed.scene().releaseHeld().toString().contains("ERROR"));
        }
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry engine = keyed.engine(chronicle).build()) {
            assertEquals("first", engine.run(options(key, claimed).withTimeout(CommitScene.PATIENCE), tx -> {
                assertTrue(inTheRepeat, "the function ran although its work was done");
                KeyedScene.leave(tx, key, "again");
                keyed.scene().releaseHeld();
                return "again";
            }));
            assertEquals(List.of("first"), keyed.effects(key));
            assertInstanceOf(CommitOutcome.Committed.class, engine.resolve(evidence));
        }
        chronicle.only(StoredResultReturned.class);
    }

    /** Leaves a call in doubt for good, whose COMMIT was or was not done. */
    private static CommitEvidence endUnknown(String key, WireAction action, boolean claimed, boolean fencing) {
        keyed.scene().script(WireScript.once(WireRequest::isCommit, action));
        // The server is back before the engine looks once more for the backend that the call has left behind.
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> keyed.scene().proxy().refuse(true))
                .onFirst(OutcomeResolved.class, resolved -> keyed.scene().proxy().refuse(false));
        try (ConnectTransactRetry engine = keyed.engine(chronicle).fencing(fencing).build()) {
            CommitOutcomeUnknownException unknown = assertThrows(CommitOutcomeUnknownException.class,
                    () -> engine.run(options(key, claimed).withTimeout(CommitScene.SHORT.timeout()), work(key, "first")));
            chronicle.requireActed();
            keyed.scene().script(WireScript.pass());
            if (fencing) {
                Await.until("the look after the call", CommitScene.PATIENCE, () -> !chronicle.all(Fenced.class).isEmpty());
            }
            return unknown.evidence().orElseThrow();
        }
    }

    @ParameterizedTest
    @CsvSource({"false, ''", "true, ''", "false, " + LOCAL, "false, -c synchronous_commit=off"})
    void visibleResultThatIsNotReplicatedIsNotReturned(boolean claimed, String session) throws SQLException {
        String key = freshKey();
        commitLocally(key, claimed);
        Work<String> again = work(key, "again");
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry engine = keyed.engine(chronicle, session).build()) {
            TransactionOptions options = options(key, claimed);
            assertThrows(DeadlineExceededException.class, () -> engine.run(options.withTimeout(CommitScene.SHORT.timeout()), again));
            assertEquals(List.of(), chronicle.all(StoredResultReturned.class));
            keyed.scene().server().alterSetting("synchronous_standby_names", "");
            assertEquals("first", engine.run(options, again));
        }
        chronicle.only(StoredResultReturned.class);
        assertEquals(0, again.runs());
    }

    /** An operator cancels the wait: the server then says "committed" and only warns, or under "error" says nothing. */
    @ParameterizedTest
    @ValueSource(strings = {"warning", "error"})
    void resultWhoseSealWasGivenUpIsNotReturned(String clientMinMessages) throws SQLException {
        String key = freshKey();
        commitLocally(key, false);
        Work<String> again = work(key, "again");
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry engine = keyed.engine(chronicle, "-c client_min_messages=" + clientMinMessages).build()) {
            Caller<String> repeat = Caller.start(() -> engine.run(options(key, false).withTimeout(CommitScene.PATIENCE), again));
            int first = awaitWaiter(0);
            keyed.scene().execute("SELECT pg_cancel_backend(" + first + ")");
            // It goes again, and waits again.
            awaitWaiter(first);
            assertFalse(repeat.isDone());
            keyed.scene().server().alterSetting("synchronous_standby_names", "");
            assertEquals("first", repeat.ending().returned());
        }
        chronicle.only(StoredResultReturned.class);
        assertEquals(0, again.runs());
    }

    /** The row rides in one message with COMMIT, and so does the warning that nothing was replicated. */
    @ParameterizedTest
    @EnumSource(Row.class)
    void commitWhoseWaitIsCancelledIsInDoubtUntilItIsReplicated(Row row) throws SQLException {
        String key = freshKey();
        TransactionOptions options = row == Row.WITHOUT_KEY ? TransactionOptions.defaults() : options(key, row == Row.CLAIMED);
        keyed.scene().server().alterSetting("synchronous_standby_names", "nobody");
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry engine = keyed.engine(chronicle).build()) {
            Caller<String> first = Caller.start(() -> engine.run(options.withTimeout(CommitScene.PATIENCE), work(key, "first")));
            int writer = awaitWaiter(0);
            keyed.scene().execute("SELECT pg_cancel_backend(" + writer + ")");
            awaitWaiter(writer);
            assertFalse(first.isDone(), "it was acknowledged without replication");
            keyed.scene().server().alterSetting("synchronous_standby_names", "");
            assertEquals("first", first.ending().returned());
        }
        assertInstanceOf(CommitOutcome.Committed.class, chronicle.only(OutcomeResolved.class).outcome());
        chronicle.only(AcknowledgedNotReplicated.class);
        assertEquals(List.of("first"), keyed.effects(key));
    }

    /** What a call leaves in the ledger. */
    private enum Row { WITHOUT_KEY, KEYED, CLAIMED }

    /** A first call that waits for nobody, so that its row is to be seen on the primary alone. */
    private static void commitLocally(String key, boolean claimed) throws SQLException {
        keyed.scene().server().alterSetting("synchronous_standby_names", "nobody");
        try (ConnectTransactRetry engine = keyed.engine(new Chronicle(), LOCAL).build()) {
            assertEquals("first", engine.run(options(key, claimed), work(key, "first")));
        }
        assertEquals(List.of("first"), keyed.effects(key));
    }

    /** Waits until a backend other than this one waits for the standby; its process id. */
    private static int awaitWaiter(int other) {
        int[] found = new int[1];
        Await.until("a COMMIT that waits for the standby", CommitScene.PATIENCE, () -> {
            found[0] = Integer.parseInt(keyed.scene().ask("SELECT pid" + WAITING + " AND pid <> " + other));
            return true;
        });
        assertNotEquals(0, found[0]);
        return found[0];
    }

    private static void requireRepeated(String value, TransactionOptions options, String key) throws SQLException {
        Work<String> again = work(key, "again");
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry engine = keyed.engine(chronicle).build()) {
            assertEquals(value, engine.run(options, again));
        }
        chronicle.only(StoredResultReturned.class);
        assertEquals(0, again.runs());
    }

    /** An engine whose connections give up on a silent server after a second. */
    private static ConnectTransactRetryBuilder impatient(Chronicle chronicle) {
        PGSimpleDataSource sessions = keyed.scene().dataSource(keyed.scene().proxy().port(), "postgres");
        sessions.setSocketTimeout(1);
        return ConnectTransactRetry.builder(() -> sessions.getConnection()).listener(chronicle).outcome(OutcomeMode.LEDGER);
    }

    private static TransactionOptions options(String key, boolean claimed) {
        return TransactionOptions.idempotencyKey(claimed(IdempotencyKey.of(key).withResult(ResultCodec.text()), claimed))
                .withTimeout(Duration.ofSeconds(30));
    }
}
