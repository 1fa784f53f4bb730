package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.io.IOException;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.postgresql.core.BaseConnection;
import org.postgresql.util.PSQLException;

/** Which calls leave a letter, what is in it, and what a sink cannot do to a call. */
class DeadLettersTest {

    private static final String PAYLOAD = "{\"order\": \"4711\"}";
    private static final TransactionOptions ASKING = TransactionOptions.defaults().withLabel("order").withDeadLetter(PAYLOAD);
    private static final TransactionOptions BRIEF = ASKING.withTimeout(Duration.ofMillis(600));

    private static KeyedScene keyed;
    private static CommitScene scene;

    private final List<DeadLetter> letters = new CopyOnWriteArrayList<>();
    private final Chronicle events = new Chronicle();

    @BeforeAll
    static void open() throws SQLException {
        keyed = KeyedScene.open();
        scene = keyed.scene();
    }

    @AfterAll
    static void close() {
        keyed.close();
    }

    @BeforeEach
    void passAll() {
        scene.proxy().refuse(false);
        scene.script(WireScript.pass());
    }

    private ConnectTransactRetryBuilder engine() {
        return keyed.engine(events).deadLetters(letters::add);
    }

    private DeadLetter letter() {
        assertEquals(1, letters.size(), letters::toString);
        return letters.get(0);
    }

    /** A failed call's letter, of which nothing is unknown. */
    private DeadLetter failed(Class<?> thrown, int attempts, String... sqlStates) {
        DeadLetter letter = letter();
        assertEquals(thrown.getName(), letter.thrown());
        assertEquals(attempts, letter.attempts());
        assertEquals(List.of(sqlStates), letter.sqlStates());
        assertFalse(letter.unknown());
        assertNull(letter.evidence());
        assertEquals("order", letter.label());
        assertEquals(PAYLOAD, letter.payload());
        return letter;
    }

    private static void execute(Transaction tx, String sql) throws SQLException {
        try (Statement statement = tx.connection().createStatement()) {
            statement.execute(sql);
        }
    }

    private static void raise(Transaction tx, String sqlState) throws SQLException {
        execute(tx, "DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '" + sqlState + "'; END $$");
    }

    @Test
    void functionsOwnExceptionIsNotQuoted() {
        IOException own = new IOException("card 4711-0815");
        try (ConnectTransactRetry executor = engine().build()) {
            Instant before = Instant.now();
            assertSame(own, assertThrows(IOException.class, () -> executor.execute(ASKING, tx -> {
                throw own;
            })));
            DeadLetter letter = failed(IOException.class, 1);
            assertEquals("", letter.said());
            assertFalse(letter.when().isBefore(before.minusMillis(1)) || letter.when().isAfter(Instant.now()));
            assertNull(letter.idempotencyKey());
        }
    }

    @Test
    void errorIsACallThatFailedToo() {
        try (ConnectTransactRetry executor = engine().build()) {
            assertThrows(StackOverflowError.class, () -> executor.execute(ASKING, tx -> {
                throw new StackOverflowError();
            }));
            failed(StackOverflowError.class, 1);
        }
    }

    /** Past the guard it may have committed something, and then died of something else. */
    @Test
    void errorAfterACommitOfItsOwnIsUnknown() {
        try (ConnectTransactRetry executor = engine().build()) {
            assertThrows(AssertionError.class, () -> executor.execute(ASKING, tx -> {
                execute(tx, "SELECT 1");
                tx.connection().unwrap(BaseConnection.class).execSQLUpdate("COMMIT");
                throw new AssertionError();
            }));
            assertTrue(letter().unknown());
            assertNull(letter().evidence());
        }
    }

    @Test
    void serversRefusalIsQuotedInItsFirstLine() throws SQLException {
        scene.execute("CREATE TABLE IF NOT EXISTS card (n text PRIMARY KEY)", "INSERT INTO card VALUES ('value-of-a-user') ON CONFLICT DO NOTHING");
        try (ConnectTransactRetry executor = engine().build()) {
            assertThrows(SQLException.class, () -> executor.execute(ASKING, tx -> execute(tx, "INSERT INTO card VALUES ('value-of-a-user')")));
            DeadLetter letter = failed(PSQLException.class, 1, "23505");
            assertTrue(letter.said().contains("duplicate key value"), letter::said);
            assertFalse(letter.toJson().contains("value-of-a-user"), letter::toJson);
        }
    }

    @Test
    void exhaustedRetriesNameEverySqlStateOnce() {
        try (ConnectTransactRetry executor = engine().retryPolicy(RetryPolicy.defaults().withMaxAttempts(3)).build()) {
            assertThrows(RetriesExhaustedException.class,
                    () -> executor.execute(ASKING, tx -> raise(tx, tx.attempt() == 2 ? "40P01" : "40001")));
            assertTrue(failed(RetriesExhaustedException.class, 3, "40001", "40P01").said().contains("as asked"));
        }
    }

    @Test
    void applicationsExceptionThatWasRetriedIsNotQuoted() {
        try (ConnectTransactRetry executor = engine().retryPolicy(RetryPolicy.defaults().withMaxAttempts(2))
                .classifier(failure -> Optional.of(Verdict.CONFLICT)).build()) {
            assertThrows(RetriesExhaustedException.class, () -> executor.execute(ASKING, tx -> {
                throw new IOException("card 4711-0815");
            }));
            assertEquals("", failed(RetriesExhaustedException.class, 2).said());
        }
    }

    @Test
    void passedDeadlineOfAServerThatIsAway() {
        scene.proxy().refuse(true);
        try (ConnectTransactRetry executor = engine().build()) {
            assertThrows(DeadlineExceededException.class, () -> executor.execute(BRIEF, tx -> { }));
            DeadLetter letter = letter();
            failed(DeadlineExceededException.class, letter.attempts(), letter.sqlStates().toArray(String[]::new));
            assertTrue(letter.sqlStates().get(0).startsWith("08"), letter::toString);
        }
    }

    @Test
    void failedStepOfTheEngine() {
        try (ConnectTransactRetry executor = scene.engine(events, "nobody_here").deadLetters(letters::add).build()) {
            assertThrows(TransactionFailedException.class, () -> executor.execute(ASKING, tx -> { }));
            failed(TransactionFailedException.class, 1, "28000");
        }
    }

    @Test
    void unknownHasItsEvidenceAndItsKey() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        IdempotencyKey key = IdempotencyKey.of(KeyedScene.freshKey()).withFingerprint("digest").withResult(ResultCodec.text());
        try (ConnectTransactRetry executor = Outage.unasked(engine()).build()) {
            CommitOutcomeUnknownException unknown = assertThrows(CommitOutcomeUnknownException.class,
                    () -> executor.run(ASKING.withIdempotencyKey(key), KeyedScene.work(key.key(), "x")));
            DeadLetter letter = letter();
            assertTrue(letter.unknown());
            assertEquals(unknown.evidence().orElseThrow(), CommitEvidence.parse(letter.evidence()));
            assertEquals(key.key(), letter.idempotencyKey());
            assertEquals("digest", letter.fingerprint());
            assertEquals("text", letter.codec());
            assertEquals(1, letter.attempts());
            assertTrue(letter.sqlStates().stream().allMatch(state -> state.startsWith("08")) && letter.sqlStates().size() == 1,
                    letter::toString);
        }
    }

    @Test
    void unknownWithoutEvidence() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        try (ConnectTransactRetry executor = engine().outcome(OutcomeMode.NONE).build()) {
            assertThrows(CommitOutcomeUnknownException.class, () -> executor.execute(ASKING, tx -> execute(tx, "SELECT 1")));
            assertTrue(letter().unknown());
            assertNull(letter().evidence());
        }
    }

    /** What it did before its own COMMIT may be there. */
    @Test
    void functionThatEndedItsTransactionPastTheGuardIsUnknown() {
        try (ConnectTransactRetry executor = engine().build()) {
            assertThrows(TransactionRefusedException.class, () -> executor.execute(ASKING, tx -> {
                execute(tx, "SELECT 1");
                tx.connection().unwrap(BaseConnection.class).execSQLUpdate("COMMIT");
            }));
            assertTrue(letter().unknown());
            assertNull(letter().evidence());
        }
    }

    @Test
    void commitThatTheGuardRefusedIsNotDone() {
        try (ConnectTransactRetry executor = engine().build()) {
            SQLException refused = assertThrows(SQLException.class, () -> executor.execute(ASKING, tx -> execute(tx, "COMMIT")));
            failed(SQLException.class, 1, refused.getSQLState());
        }
    }

    @Test
    void refusedCallIsNotDone() {
        try (ConnectTransactRetry executor = engine().outcome(OutcomeMode.STATUS).build()) {
            String key = KeyedScene.freshKey();
            assertThrows(TransactionRefusedException.class,
                    () -> executor.execute(ASKING.withIdempotencyKey(IdempotencyKey.of(key)), tx -> { }));
            assertEquals(key, failed(TransactionRefusedException.class, 1).idempotencyKey());
        }
    }

    @Test
    void conflictOfAKeyIsNoLetter() throws SQLException {
        IdempotencyKey key = IdempotencyKey.of(KeyedScene.freshKey());
        try (ConnectTransactRetry executor = engine().build()) {
            executor.execute(ASKING.withIdempotencyKey(key), tx -> { });
            assertThrows(IdempotencyConflictException.class,
                    () -> executor.execute(ASKING.withIdempotencyKey(key.withFingerprint("another")), tx -> { }));
            assertEquals(List.of(), letters);
        }
    }

    @Test
    void successesLeaveNone() throws SQLException {
        String key = KeyedScene.freshKey();
        try (ConnectTransactRetry executor = engine().build()) {
            executor.execute(ASKING, tx -> execute(tx, "SELECT 1"));
            executor.execute(ASKING, Transaction::rollbackOnly);
            executor.execute(ASKING, tx -> {
                if (tx.attempt() < 3) {
                    raise(tx, "40001");
                }
            });
            for (int time = 0; time < 2; time++) {
                executor.execute(ASKING.withIdempotencyKey(IdempotencyKey.of(key)), tx -> { });
            }
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            executor.execute(ASKING, tx -> execute(tx, "SELECT 1"));
            executor.execute(ASKING, tx -> tx.afterCommit(() -> {
                throw new IllegalStateException("a hook");
            }));
            // One that did not ask.
            assertThrows(IOException.class, () -> executor.execute(tx -> {
                throw new IOException();
            }));
            assertEquals(List.of(), letters);
        }
    }

    @Test
    void sinkThatThrowsHidesNothing() {
        IOException own = new IOException("card 4711-0815");
        IllegalStateException full = new IllegalStateException("full");
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN); ConnectTransactRetry executor = keyed.engine(events)
                .deadLetters(letter -> {
                    letters.add(letter);
                    throw full;
                }).build()) {
            assertSame(own, assertThrows(IOException.class, () -> executor.execute(ASKING, tx -> {
                throw own;
            })));
            assertEquals(0, own.getSuppressed().length, "it may be the same each time");
            TransactionFailedException engines = assertThrows(TransactionFailedException.class, () -> executor.execute(ASKING, tx -> {
                try (Statement statement = tx.connection().createStatement()) {
                    statement.execute("SELECT 1/0");
                } catch (SQLException swallowed) {
                    assertEquals("22012", swallowed.getSQLState());
                }
            }));
            assertSame(full, engines.getSuppressed()[0]);
            letters.remove(1);
            String line = log.events(Level.ERROR).stream().map(event -> event.getFormattedMessage())
                    .filter(message -> message.contains("dead letter")).findFirst().orElseThrow();
            assertEquals(letter().withoutSaid(), DeadLetter.parse(line.substring(line.indexOf('{'))));
            assertFalse(line.contains("4711-0815"), line);
        }
    }

    @Test
    void sinkThatThrowsTheCallsOwnException() {
        IOException own = new IOException();
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN); ConnectTransactRetry executor = keyed.engine(events)
                .deadLetters(letter -> {
                    throw own;
                }).build()) {
            assertSame(own, assertThrows(IOException.class, () -> executor.execute(ASKING, tx -> {
                throw own;
            })));
            assertEquals(1, log.events(Level.ERROR).size());
        }
    }

    @ParameterizedTest
    @EnumSource
    void interruptedCallStillWritesItsLetter(Caller.Kind kind) throws Exception {
        if (!kind.exists()) {
            return;
        }
        List<Boolean> flags = new CopyOnWriteArrayList<>();
        List<Thread> threads = new CopyOnWriteArrayList<>();
        try (ConnectTransactRetry executor = keyed.engine(events).deadLetters(letter -> {
            flags.add(Thread.currentThread().isInterrupted());
            threads.add(Thread.currentThread());
            letters.add(letter);
        }).build()) {
            Caller.Ending<Object> ending = Caller.start(kind, () -> {
                threads.add(Thread.currentThread());
                executor.execute(ASKING, tx -> {
                    Thread.currentThread().interrupt();
                    raise(tx, "40001");
                });
                return null;
            }).ending();
            assertNotNull(ending.thrown());
            assertTrue(ending.interrupted());
            letter();
            assertEquals(List.of(false), flags);
            assertSame(threads.get(0), threads.get(1));
        }
    }

    /** The sink may use the same engine: the call is over. */
    @Test
    void callIsOverWhenItsLetterIsWritten() throws SQLException {
        ConnectTransactRetry[] self = new ConnectTransactRetry[1];
        String key = KeyedScene.freshKey();
        try (ConnectTransactRetry executor = keyed.engine(events)
                .deadLetters(letter -> self[0].execute(tx -> KeyedScene.leave(tx, key, letter.payload()))).build()) {
            self[0] = executor;
            assertThrows(IOException.class, () -> executor.execute(ASKING, tx -> {
                throw new IOException();
            }));
        }
        assertEquals(List.of(PAYLOAD), keyed.effects(key));
    }

    @Test
    void mistakesAreSaidAtOnce() {
        try (ConnectTransactRetry executor = keyed.engine(events).build()) {
            assertTrue(assertThrows(TransactionRefusedException.class, () -> executor.execute(ASKING, tx -> { })).getMessage()
                    .contains("deadLetters("));
        }
        assertTrue(assertThrows(NullPointerException.class, () -> engine().deadLetters(null)).getMessage().contains("sink"));
        assertTrue(assertThrows(IllegalArgumentException.class, () -> engine().defaults(ASKING)).getMessage().contains("dead letter"));
        assertTrue(assertThrows(IllegalArgumentException.class, () -> TransactionOptions.readOnly().withDeadLetter("")).getMessage()
                .contains("read-only"));
        assertThrows(NullPointerException.class, () -> ASKING.withDeadLetter(null));
        assertTrue(assertThrows(IllegalArgumentException.class, () -> ASKING.withLabel("\0")).getMessage().contains("label"));
        TransactionOptions all = BRIEF.withIsolation(Isolation.SERIALIZABLE).withAccess(Access.READ_WRITE)
                .withDeadline(Instant.now()).withTimeout(Duration.ofSeconds(1)).withLabel("x").withEvidenceAtBegin()
                .withIdempotencyKey(IdempotencyKey.of("k")).withVerification(connection -> null);
        assertEquals(PAYLOAD, all.deadLetter());
    }
}
