package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.deadletter.DeadLetterSink;
import io.github.connecttransactretry.deadletter.JsonLinesDeadLetters;
import io.github.connecttransactretry.deadletter.Letters;
import io.github.connecttransactretry.deadletter.TableDeadLetters;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The table and the file on a real server that is away, full, denied or hung, and all of their letters taken up. */
class DeadLetterBoxesTest {

    private static final TransactionOptions DEFAULTS = TransactionOptions.defaults();
    private static final String TABLE = "connect_transact_retry.dead_letter";

    private static KeyedScene keyed;
    private static CommitScene scene;

    @TempDir
    private Path directory;
    private TableDeadLetters table;
    private JsonLinesDeadLetters file;
    private DeadLetterSink both;

    @BeforeAll
    static void open() throws SQLException {
        keyed = KeyedScene.open();
        scene = keyed.scene();
        scene.execute("CREATE ROLE writer LOGIN", "CREATE ROLE taker LOGIN");
    }

    @AfterAll
    static void close() {
        keyed.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        scene.proxy().refuse(false);
        scene.execute("DROP TABLE IF EXISTS " + TABLE, "DELETE FROM work");
        table = tableOf("writer", Duration.ofSeconds(20));
        table.install(scene.dataSource());
        table.install(scene.dataSource());
        table.grant(scene.dataSource(), "writer", "taker");
        file = new JsonLinesDeadLetters(directory.resolve("letters.jsonl"));
        both = table.orElse(file);
    }

    private static TableDeadLetters tableOf(String role, Duration limit) {
        return new TableDeadLetters(scene.dataSource(scene.server().port(), role), TableDeadLetters.STANDARD_SCHEMA,
                TableDeadLetters.STANDARD_TABLE, limit);
    }

    private static TableDeadLetters takers() {
        return tableOf("taker", Duration.ofSeconds(20));
    }

    private static void work(Transaction tx, DeadLetter letter) throws SQLException {
        KeyedScene.leave(tx, letter.payload(), "later");
    }

    private static void assertDoneOnce(List<String> payloads) throws SQLException {
        for (String payload : payloads) {
            assertEquals(List.of("later"), keyed.effects(payload), payload);
        }
        assertEquals(payloads.size() + "", scene.ask("SELECT count(*) FROM work"));
    }

    /** Every one fails, since the server is away; what each is to do is its payload. */
    private List<String> failedCalls(int calls) throws Exception {
        List<String> payloads = new ArrayList<>();
        ExecutorService pool = Executors.newFixedThreadPool(4);
        try (ConnectTransactRetry executor = keyed.engine(new Chronicle()).deadLetters(both).build()) {
            List<CompletableFuture<Void>> all = new ArrayList<>();
            for (int i = 0; i < calls; i++) {
                String payload = KeyedScene.freshKey();
                payloads.add(payload);
                TransactionOptions options = (i % 2 == 0 ? DEFAULTS : TransactionOptions.idempotencyKey(payload))
                        .withTimeout(Duration.ofMillis(300)).withDeadLetter(payload);
                all.add(CompletableFuture.runAsync(() -> assertThrows(DeadlineExceededException.class,
                        () -> executor.execute(options, tx -> KeyedScene.leave(tx, payload, "first"))), pool));
            }
            all.forEach(CompletableFuture::join);
        } finally {
            pool.shutdown();
        }
        return payloads;
    }

    @Test
    void databaseAwayThenBack() throws Exception {
        scene.server().stop();
        List<String> payloads;
        try {
            payloads = failedCalls(40);
            assertEquals(payloads.stream().sorted().toList(), file.open().stream().map(DeadLetter::payload).sorted().toList());
            try (ConnectTransactRetry executor = keyed.engine(new Chronicle()).build()) {
                TakeUpReport early = executor.takeUpAll(DEFAULTS.withTimeout(Duration.ofMillis(300)), file, DeadLetterBoxesTest::work);
                assertEquals(1, early.failed().size());
                assertEquals(39, early.skipped());
            }
        } finally {
            scene.server().start();
        }
        int done = takeUpTwiceAtOnceWithACrash(payloads.size());
        System.out.println("DeadLetterBoxesTest: " + payloads.size() + " letters, " + done + " done by those who saw their COMMIT");
        try (ConnectTransactRetry executor = keyed.engine(new Chronicle()).build()) {
            TakeUpReport last = executor.takeUpAll(DEFAULTS, file, DeadLetterBoxesTest::work);
            assertEquals(List.of(), last.failed());
            assertEquals(payloads.size(), last.done() + last.before());
        }
        assertDoneOnce(payloads);
        assertEquals("0", scene.ask("SELECT count(*) FROM " + TABLE));
    }

    /** Two engines take all up at once, on two threads each, while the server is killed and started. */
    private int takeUpTwiceAtOnceWithACrash(int letters) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        try (ConnectTransactRetry one = keyed.engine(new Chronicle()).build();
                ConnectTransactRetry two = keyed.engine(new Chronicle()).build()) {
            List<CompletableFuture<TakeUpReport>> all = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                ConnectTransactRetry mine = i % 2 == 0 ? one : two;
                all.add(CompletableFuture.supplyAsync(() -> takeUpAll(mine), pool));
            }
            Await.until("some are done", Duration.ofSeconds(60),
                    () -> !scene.ask("SELECT count(*) FROM work").equals("0"));
            scene.server().crash();
            scene.server().start();
            int done = 0;
            for (CompletableFuture<TakeUpReport> each : all) {
                TakeUpReport report = each.join();
                assertEquals(letters, report.done() + report.before() + report.failed().size() + report.skipped());
                done += report.done();
            }
            assertTrue(done <= letters, () -> "done more than once");
            return done;
        } finally {
            pool.shutdown();
        }
    }

    private TakeUpReport takeUpAll(ConnectTransactRetry executor) {
        try {
            return executor.takeUpAll(DEFAULTS, file, DeadLetterBoxesTest::work);
        } catch (Exception unreadable) {
            throw new IllegalStateException(unreadable);
        }
    }

    @Test
    void tableKeepsLettersAndMarks() throws Exception {
        DeadLetter plain = Letters.failed("quotes \" ' \\, two\nlines, \u4e2d " + new String(Character.toChars(0x1F600)));
        DeadLetter other = Letters.failed("other");
        for (DeadLetter letter : List.of(plain, plain, other)) {
            both.put(letter);
        }
        assertEquals(List.of(), file.open());
        assertEquals(List.of(plain, other), takers().open());
        scene.execute("GRANT ALL ON work TO taker", "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA connect_transact_retry TO taker");
        try (ConnectTransactRetry executor = scene.engine(new Chronicle(), "taker").outcome(OutcomeMode.LEDGER).build()) {
            TakeUpReport first = executor.takeUpAll(DEFAULTS, takers(), (tx, letter) -> {
                if (letter.equals(other)) {
                    throw new IOException("not yet");
                }
                work(tx, letter);
            });
            assertEquals(1, first.done());
            assertEquals(other, first.failed().get(0).letter());
            assertEquals("not yet", first.failed().get(0).thrown().getMessage());
            assertEquals(List.of(other), takers().open());
            // Done by somebody who left no mark.
            assertTrue(executor.takeUp(other, tx -> work(tx, other)));
            assertEquals(new TakeUpReport(0, 1, List.of(), 0), executor.takeUpAll(DEFAULTS, takers(), DeadLetterBoxesTest::work));
            assertEquals(List.of(), takers().open());
            assertDoneOnce(List.of(plain.payload(), "other"));
        }
    }

    /** An operator has seen to it by hand, and has left the row at odds with itself. */
    @Test
    void rowChangedByHandKeepsNoOtherBack() throws Exception {
        DeadLetter other = Letters.failed("other");
        table.put(Letters.failed("changed"));
        table.put(other);
        scene.execute("UPDATE " + TABLE + " SET evidence = 'x' WHERE payload = 'changed'");
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN)) {
            assertEquals(List.of(other), takers().open());
            assertTrue(log.text().contains("is no dead letter and is skipped"), log::text);
        }
    }

    /** A connection whose transaction has failed is nothing to give back to a pool. */
    @Test
    void refusedInstallLeavesNoTransactionBehind() throws Exception {
        try (HikariDataSource pool = new HikariDataSource()) {
            pool.setDataSource(scene.dataSource(scene.server().port(), "writer"));
            pool.setMaximumPoolSize(1);
            TableDeadLetters denied = new TableDeadLetters(pool, "nobody_may", "letters", Duration.ofSeconds(20));
            assertEquals("42501", assertThrows(SQLException.class, () -> denied.install(pool)).getSQLState());
            try (Connection next = pool.getConnection(); Statement statement = next.createStatement()) {
                assertTrue(statement.execute("SELECT 1"));
            }
        }
    }

    /** What work throws of another database's absence is its letter's matter alone; this one's absence is every letter's. */
    @Test
    void onlyThisDatabasesAbsenceEndsTheTakingUpEarly() throws Exception {
        for (String payload : List.of("a", "b", "c")) {
            file.put(Letters.failed(payload));
        }
        RetryPolicy once = RetryPolicy.defaults().withMaxAttempts(1);
        try (WireProxy elsewhere = WireProxy.to(scene.server().port());
                ConnectTransactRetry other = ConnectTransactRetry.builder(Pools.plain(scene.server(), elsewhere.port()))
                        .retryPolicy(once).build();
                ConnectTransactRetry executor = keyed.engine(new Chronicle()).retryPolicy(once).build()) {
            elsewhere.refuse(true);
            TakeUpReport all = executor.takeUpAll(DEFAULTS, file, (tx, letter) -> other.execute(inner -> { }));
            assertEquals(List.of(3, 0), List.of(all.failed().size(), all.skipped()));
            scene.proxy().refuse(true);
            TakeUpReport early = executor.takeUpAll(DEFAULTS, file, DeadLetterBoxesTest::work);
            assertEquals(List.of(1, 2), List.of(early.failed().size(), early.skipped()));
        }
    }

    /** Neither done nor marked. */
    @Test
    void workThatRollsBackLeavesItsLetterOpen() throws Exception {
        DeadLetter letter = Letters.failed("x");
        table.put(letter);
        TableDeadLetters owner = tableOf(PostgresServer.SUPERUSER, Duration.ofSeconds(20));
        try (ConnectTransactRetry executor = keyed.engine(new Chronicle()).build()) {
            TakeUpReport report = executor.takeUpAll(DEFAULTS, owner, (tx, each) -> {
                work(tx, each);
                tx.rollbackOnly();
            });
            assertEquals(List.of(letter), owner.open());
            assertEquals(List.of(0, 0, 1), List.of(report.done(), report.before(), report.failed().size()));
            assertTrue(report.failed().get(0).thrown().getMessage().contains("rollbackOnly()"));
            assertEquals(1, executor.takeUpAll(DEFAULTS, owner, DeadLetterBoxesTest::work).done());
            assertEquals(List.of(), owner.open());
            assertDoneOnce(List.of("x"));
        }
    }

    /** Each letter would be refused as the first one was. */
    @Test
    void openBreakerEndsTheTakingUpEarly() throws Exception {
        for (String payload : List.of("a", "b", "c")) {
            file.put(Letters.failed(payload));
        }
        CircuitBreaker breaker = CircuitBreaker.of(new CircuitBreaker.Settings(1, Backoff.fixed(Duration.ofMinutes(5)), false,
                Duration.ZERO, Duration.ofSeconds(3)));
        scene.proxy().refuse(true);
        try (ConnectTransactRetry executor = keyed.engine(new Chronicle()).circuitBreaker(breaker).build()) {
            TakeUpReport report = executor.takeUpAll(DEFAULTS, file, DeadLetterBoxesTest::work);
            assertEquals(List.of(0, 0, 1, 2), List.of(report.done(), report.before(), report.failed().size(), report.skipped()));
            assertEquals(CircuitOpenException.class, report.failed().get(0).thrown().getClass());
        }
    }

    /** The mark is part of the transaction that does the work. */
    @Test
    void noMarkWithoutTheWork() throws Exception {
        DeadLetter letter = Letters.failed("x");
        table.put(letter);
        TableDeadLetters owner = tableOf(PostgresServer.SUPERUSER, Duration.ofSeconds(20));
        try (ConnectTransactRetry executor = keyed.engine(new Chronicle()).build()) {
            executor.execute(tx -> {
                owner.done(tx.connection(), letter);
                tx.rollbackOnly();
            });
            assertEquals(List.of(letter), owner.open());
        }
    }

    @Test
    void leastRightsOfWhoWrites() throws Exception {
        table.put(Letters.failed("x"));
        assertEquals("42501", assertThrows(SQLException.class, () -> table.open()).getSQLState());
        assertEquals("42501", assertThrows(SQLException.class, () -> takers().put(Letters.failed("x"))).getSQLState());
    }

    @Test
    void fullOrDeniedTableLeavesItToTheFile() throws Exception {
        scene.execute("CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                + " RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
                "CREATE TRIGGER full_disk BEFORE INSERT ON " + TABLE + " FOR EACH ROW EXECUTE FUNCTION full_disk()");
        DeadLetter first = Letters.failed("full");
        both.put(first);
        scene.execute("DROP TRIGGER full_disk ON " + TABLE, "REVOKE INSERT ON " + TABLE + " FROM writer");
        DeadLetter second = Letters.failed("denied");
        both.put(second);
        assertEquals(List.of(first, second), file.open());
        assertEquals("0", scene.ask("SELECT count(*) FROM " + TABLE));
    }

    @Test
    void hangingTableLeavesItToTheFileInTime() throws Exception {
        TableDeadLetters impatient = tableOf("writer", Duration.ofMillis(300));
        DeadLetter letter = Letters.failed("x");
        try (Connection locking = scene.server().connect(); Statement lock = locking.createStatement()) {
            locking.setAutoCommit(false);
            lock.execute("LOCK TABLE " + TABLE);
            impatient.orElse(file).put(letter);
            assertThrows(TimeoutException.class, () -> impatient.put(letter));
            locking.rollback();
        }
        assertEquals(List.of(letter), file.open());
    }

    @Test
    void namesMayBeAnything() throws Exception {
        TableDeadLetters odd = new TableDeadLetters(scene.dataSource(), "odd \"schema", "odd; table--", Duration.ofSeconds(20));
        odd.install(scene.dataSource());
        DeadLetter letter = Letters.failed("x");
        odd.put(letter);
        assertEquals(List.of(letter), odd.open());
        assertNull(odd.open().get(0).evidence());
        for (String bad : List.of("", " ", "a\0b")) {
            assertThrows(IllegalArgumentException.class, () -> new TableDeadLetters(scene.dataSource(), bad, "t", Duration.ofSeconds(1)));
            assertThrows(IllegalArgumentException.class, () -> new TableDeadLetters(scene.dataSource(), "s", bad, Duration.ofSeconds(1)));
        }
    }
}
