package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.CommitLedger;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A letter's work is done once, whatever had become of its call and whoever takes it up. */
class TakeUpTest {

    private static final TransactionOptions ORDER = TransactionOptions.defaults().withLabel("order");

    private static KeyedScene keyed;
    private static CommitScene scene;

    private final List<DeadLetter> letters = new CopyOnWriteArrayList<>();

    @BeforeAll
    static void open() throws SQLException {
        keyed = KeyedScene.open();
        scene = keyed.scene();
        CommitLedger.standard().enable(scene.dataSource());
    }

    @AfterAll
    static void close() {
        keyed.close();
    }

    @BeforeEach
    void passAll() {
        scene.releaseHeld();
        scene.proxy().refuse(false);
        scene.script(WireScript.pass());
    }

    private ConnectTransactRetryBuilder engine() {
        return keyed.engine(new Chronicle()).deadLetters(letters::add);
    }

    private DeadLetter letter() {
        assertEquals(1, letters.size(), letters::toString);
        return letters.get(0);
    }

    private DeadLetter failed(String payload, IdempotencyKey key) {
        TransactionOptions options = ORDER.withDeadLetter(payload);
        try (ConnectTransactRetry executor = engine().build()) {
            assertThrows(IOException.class, () -> executor.execute(key == null ? options : options.withIdempotencyKey(key), tx -> {
                throw new IOException();
            }));
        }
        return letter();
    }

    /** A call whose COMMIT got no answer, and about which nobody could be asked. */
    private DeadLetter unknown(OutcomeMode mode, WireAction atCommit, String payload, IdempotencyKey key) {
        scene.script(WireScript.once(WireRequest::isCommit, atCommit));
        TransactionOptions options = ORDER.withDeadLetter(payload);
        try (ConnectTransactRetry executor = Outage.unasked(engine().outcome(mode)).build()) {
            assertThrows(CommitOutcomeUnknownException.class, () -> executor.execute(key == null ? options
                    : options.withIdempotencyKey(key), tx -> KeyedScene.leave(tx, payload, "first")));
        }
        return letter();
    }

    private static TransactionalAction<SQLException> work(DeadLetter letter) {
        return tx -> KeyedScene.leave(tx, letter.payload(), "later");
    }

    private static List<String> effects(DeadLetter letter) throws SQLException {
        scene.releaseHeld();
        return keyed.effects(letter.payload());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void failedCallIsDoneOnce(boolean withKey) throws SQLException {
        String name = KeyedScene.freshKey();
        DeadLetter letter = DeadLetter.parse(failed(name, withKey ? IdempotencyKey.of(name).withFingerprint("f") : null).toJson());
        try (ConnectTransactRetry executor = engine().build(); ConnectTransactRetry other = engine().build()) {
            assertTrue(executor.takeUp(letter, work(letter)));
            assertFalse(executor.takeUp(letter, work(letter)));
            assertFalse(other.takeUp(TransactionOptions.serializable(), letter, work(letter)));
            assertEquals(List.of("later"), effects(letter));
            if (withKey) {
                // Who made the first call and repeats it gets the result too.
                executor.execute(ORDER.withIdempotencyKey(IdempotencyKey.of(name).withFingerprint("f")), work(letter)::apply);
                assertEquals(List.of("later"), effects(letter));
            }
        }
        assertEquals(1, letters.size());
    }

    @Test
    void workThatFailsCanBeTakenUpAgainAndWritesNoLetter() throws SQLException {
        DeadLetter letter = failed(KeyedScene.freshKey(), null);
        try (ConnectTransactRetry executor = engine().build()) {
            assertThrows(IOException.class, () -> executor.takeUp(letter, tx -> {
                KeyedScene.leave(tx, letter.payload(), "in vain");
                throw new IOException();
            }));
            assertTrue(executor.takeUp(letter, work(letter)));
        }
        assertEquals(List.of("later"), effects(letter));
        assertEquals(1, letters.size());
    }

    /** The call that failed was repeated by its caller under the same key, before the letter was taken up. */
    @Test
    void repeatedCallIsNotDoneAgain() throws SQLException {
        IdempotencyKey key = IdempotencyKey.of(KeyedScene.freshKey()).withResult(ResultCodec.text());
        DeadLetter letter = failed(key.key(), key);
        try (ConnectTransactRetry executor = engine().build()) {
            executor.run(ORDER.withIdempotencyKey(key), KeyedScene.work(key.key(), "repeated"));
            assertEquals("repeated", executor.takeUp(ORDER, letter, ResultCodec.text(), KeyedScene.work(key.key(), "later")));
            assertEquals(List.of("repeated"), effects(letter));
        }
    }

    @ParameterizedTest
    @CsvSource({"STATUS, CUT_AFTER, false", "STATUS, HOLD_AND_CUT, false", "LEDGER, CUT_AFTER, false", "LEDGER, HOLD_AND_CUT, false",
        "LEDGER, CUT_AFTER, true", "LEDGER, HOLD_AND_CUT, true"})
    void unknownCallIsDoneOnce(OutcomeMode mode, WireAction atCommit, boolean withKey) throws SQLException {
        String name = KeyedScene.freshKey();
        DeadLetter letter = unknown(mode, atCommit, name, withKey ? IdempotencyKey.of(name) : null);
        boolean committed = atCommit == WireAction.CUT_AFTER;
        try (ConnectTransactRetry executor = engine().outcome(OutcomeMode.AUTOMATIC).build()) {
            assertEquals(!committed, executor.takeUp(letter, work(letter)));
            assertFalse(executor.takeUp(letter, work(letter)));
        }
        assertEquals(List.of(committed ? "first" : "later"), effects(letter));
    }

    /** After a crash the server knows by the id alone only what was not committed. */
    @ParameterizedTest
    @CsvSource({"STATUS, CUT_AFTER", "STATUS, HOLD_AND_CUT", "LEDGER, CUT_AFTER", "LEDGER, HOLD_AND_CUT"})
    void unknownCallOfBeforeACrash(OutcomeMode mode, WireAction atCommit) throws SQLException {
        DeadLetter letter = unknown(mode, atCommit, KeyedScene.freshKey(), null);
        scene.server().crash();
        scene.server().start();
        String effect = atCommit == WireAction.CUT_AFTER ? "first" : "later";
        boolean done = true;
        try (ConnectTransactRetry executor = engine().outcome(OutcomeMode.AUTOMATIC).build()) {
            assertEquals(effect.equals("later"), executor.takeUp(letter, work(letter)));
            assertFalse(executor.takeUp(letter, work(letter)));
        } catch (TransactionRefusedException refused) {
            // The id is a stranger's by now: both could be.
            assertEquals(OutcomeMode.STATUS, mode);
            assertTrue(refused.getMessage().contains(letter.id().toString())
                    && refused.getMessage().contains("crashed or was promoted"), refused::getMessage);
            done = false;
        }
        assertFalse(done && mode == OutcomeMode.STATUS && effect.equals("first"), "a crash was not noticed");
        assertEquals(done || effect.equals("first") ? List.of(effect) : List.of(), effects(letter));
    }

    /** What was found once is kept: after the crash the id alone would say nothing. */
    @Test
    void committedCallStaysFoundAfterACrash() throws SQLException {
        DeadLetter letter = unknown(OutcomeMode.STATUS, WireAction.CUT_AFTER, KeyedScene.freshKey(), null);
        try (ConnectTransactRetry executor = engine().outcome(OutcomeMode.AUTOMATIC).build()) {
            assertFalse(executor.takeUp(letter, work(letter)));
            scene.server().crash();
            scene.server().start();
            assertFalse(executor.takeUp(letter, work(letter)));
        }
        assertEquals(List.of("first"), effects(letter));
    }

    /** The time limit is for all that a taking up does, not for each of its calls. */
    @Test
    void timeOfTheQuestionIsNoLongerThere() throws SQLException {
        DeadLetter letter = unknown(OutcomeMode.LEDGER, WireAction.HOLD_AND_CUT, KeyedScene.freshKey(), null);
        ManualTime time = new ManualTime();
        List<Duration> left = new ArrayList<>();
        try (ConnectTransactRetry executor = engine().outcome(OutcomeMode.AUTOMATIC).timeSource(time).listener(event -> {
            if (event instanceof TransactionEvent.OutcomeResolved) {
                time.advance(Duration.ofSeconds(40));
            }
        }).build()) {
            assertTrue(executor.takeUp(ORDER.withTimeout(Duration.ofSeconds(60)), letter, tx -> {
                left.add(tx.remaining());
                KeyedScene.leave(tx, letter.payload(), "later");
            }));
        }
        assertTrue(left.get(0).compareTo(Duration.ofSeconds(20)) <= 0, left::toString);
        assertEquals(List.of("later"), effects(letter));
    }

    @Test
    void unknownCallWithoutEvidenceIsNotTakenUp() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        String name = KeyedScene.freshKey();
        try (ConnectTransactRetry executor = engine().outcome(OutcomeMode.NONE).build()) {
            assertThrows(CommitOutcomeUnknownException.class,
                    () -> executor.execute(ORDER.withDeadLetter(name), tx -> KeyedScene.leave(tx, name, "first")));
        }
        try (ConnectTransactRetry executor = engine().build()) {
            assertTrue(assertThrows(TransactionRefusedException.class, () -> executor.takeUp(letter(), work(letter()))).getMessage()
                    .contains("no evidence"));
        }
        assertEquals(List.of("first"), effects(letter()));
    }

    @ParameterizedTest
    @CsvSource({"true, false", "false, false", "false, true"})
    void manyAtOnceDoItOnce(boolean withKey, boolean unknown) throws Exception {
        int threads = 6;
        for (int round = 0; round < 3; round++) {
            letters.clear();
            String name = KeyedScene.freshKey();
            IdempotencyKey key = withKey ? IdempotencyKey.of(name) : null;
            DeadLetter letter = unknown ? unknown(OutcomeMode.LEDGER, WireAction.HOLD_AND_CUT, name, key) : failed(name, key);
            CyclicBarrier start = new CyclicBarrier(threads);
            ExecutorService pool = Executors.newFixedThreadPool(threads);
            try (ConnectTransactRetry one = engine().build(); ConnectTransactRetry two = engine().build()) {
                List<CompletableFuture<Boolean>> all = new ArrayList<>();
                for (int thread = 0; thread < threads; thread++) {
                    ConnectTransactRetry mine = thread % 2 == 0 ? one : two;
                    all.add(CompletableFuture.supplyAsync(() -> takeUp(mine, letter, start), pool));
                }
                long took = all.stream().filter(CompletableFuture::join).count();
                assertEquals(1, took);
            } finally {
                pool.shutdown();
            }
            assertEquals(List.of("later"), effects(letter));
        }
    }

    private static boolean takeUp(ConnectTransactRetry executor, DeadLetter letter, CyclicBarrier start) {
        try {
            start.await();
            return executor.takeUp(letter, work(letter));
        } catch (Exception failed) {
            throw new IllegalStateException(failed);
        }
    }

    /** COMMITs of the taking up are in doubt too. */
    @ParameterizedTest
    @ValueSource(strings = {"CUT_AFTER", "HOLD_AND_CUT", "CUT_BEFORE"})
    void commitInDoubtOfTheTakingUp(WireAction atCommit) throws SQLException {
        DeadLetter letter = failed(KeyedScene.freshKey(), null);
        scene.script(WireScript.once(WireRequest::isCommit, atCommit));
        try (ConnectTransactRetry executor = engine().build()) {
            assertTrue(executor.takeUp(letter, work(letter)));
            assertFalse(executor.takeUp(letter, work(letter)));
        }
        assertEquals(List.of("later"), effects(letter));
    }

    @Test
    void resultIsKeptByTheCodecOfTheCall() throws SQLException {
        IdempotencyKey key = IdempotencyKey.of(KeyedScene.freshKey()).withResult(ResultCodec.text());
        DeadLetter letter = failed(key.key(), key);
        try (ConnectTransactRetry executor = engine().build()) {
            assertTrue(assertThrows(IllegalArgumentException.class, () -> executor.takeUp(letter, work(letter))).getMessage()
                    .contains("codec text"));
            assertThrows(IllegalArgumentException.class,
                    () -> executor.takeUp(ORDER, letter, ResultCodec.bytes(), tx -> new byte[0]));
            assertEquals("later", executor.takeUp(ORDER, letter, ResultCodec.text(), KeyedScene.work(key.key(), "later")));
            assertEquals("later", executor.run(ORDER.withIdempotencyKey(key), KeyedScene.work(key.key(), "again")));
        }
        assertEquals(List.of("later"), effects(letter));
    }

    @Test
    void resultOfACommittedUnknownCall() throws SQLException {
        IdempotencyKey key = IdempotencyKey.of(KeyedScene.freshKey());
        DeadLetter letter = unknown(OutcomeMode.LEDGER, WireAction.CUT_AFTER, key.key(), key);
        try (ConnectTransactRetry executor = engine().build()) {
            executor.takeUp(ORDER, letter, ResultCodec.none(), KeyedScene.work(key.key(), "again"));
            assertEquals(List.of("first"), effects(letter));
        }
    }

    @Test
    void ledgerIsNeeded() throws SQLException {
        DeadLetter letter = failed(KeyedScene.freshKey(), null);
        CommitLedger.standard().disable(scene.dataSource());
        try (ConnectTransactRetry executor = scene.engine(new Chronicle()).build()) {
            assertTrue(assertThrows(TransactionRefusedException.class, () -> executor.takeUp(letter, work(letter))).getMessage()
                    .contains("enable the ledger"));
        } finally {
            CommitLedger.standard().enable(scene.dataSource());
        }
        assertEquals(List.of(), effects(letter));
    }

    @Test
    void mistakesAreSaidAtOnce() {
        DeadLetter letter = failed(KeyedScene.freshKey(), null);
        try (ConnectTransactRetry executor = engine().build()) {
            assertThrows(NullPointerException.class, () -> executor.takeUp(null, work(letter)));
            assertThrows(NullPointerException.class, () -> executor.takeUp(letter, null));
            assertThrows(NullPointerException.class, () -> executor.takeUp(null, letter, work(letter)));
            for (TransactionOptions options : List.of(ORDER.withDeadLetter("x"), TransactionOptions.idempotencyKey("x"))) {
                assertTrue(assertThrows(IllegalArgumentException.class, () -> executor.takeUp(options, letter, work(letter)))
                        .getMessage().contains("leave that out"));
            }
        }
    }
}
