package io.github.connecttransactretry.optimistic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.Isolation;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Failure;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.TransactionEvent;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Two writers of one row at the same time, through the engine, at each isolation level. */
class VersionRaceTest {

    private static final VersionedTable ITEMS = VersionedTable.of("items").key("id").version("version");
    private static final Duration BOUND = Duration.ofSeconds(20);

    private static TestDatabase database;
    private static HikariDataSource pool;
    private static ConnectTransactRetry engine;
    private static final RecordedEvents EVENTS = new RecordedEvents();

    @BeforeAll
    static void launch() {
        database = TestDatabase.launch(Map.of("fsync", "off"));
        pool = database.pool(4, "");
        engine = ConnectTransactRetry.builder(pool).listener(EVENTS).build();
    }

    @AfterAll
    static void stop() {
        engine.close();
        pool.close();
        database.close();
    }

    @BeforeEach
    void table() throws SQLException {
        database.execute("DROP TABLE IF EXISTS items",
                "CREATE TABLE items (id int PRIMARY KEY, version bigint NOT NULL, list text NOT NULL, note text)",
                "INSERT INTO items VALUES (1, 10, '', '')");
    }

    private static TransactionOptions at(Isolation isolation) {
        return TransactionOptions.defaults().withIsolation(isolation);
    }

    private interface Call {
        void run() throws SQLException;
    }

    /** The other writer writes first; ours begins, meets the lock and waits; then the other one commits. */
    private static CompletableFuture<Void> overtaken(String othersWrite, Call ours) throws SQLException {
        try (Connection other = database.plain("").getConnection()) {
            other.setAutoCommit(false);
            other.createStatement().execute(othersWrite);
            CompletableFuture<Void> call = CompletableFuture.runAsync(() -> {
                try {
                    ours.run();
                } catch (SQLException raised) {
                    throw new IllegalStateException(raised);
                }
            });
            Await.until("our writer to wait for the other one's row", BOUND, () -> database.ask(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%\"items\"%'").equals("1"));
            other.commit();
            return call;
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE"})
    void oneWinsAndTheOtherGetsBothVersions(Isolation isolation) throws SQLException {
        VersionedRow seen = engine.run(tx -> ITEMS.load(tx.connection(), 1).orElseThrow());
        AtomicInteger attempts = new AtomicInteger();
        AtomicReference<StaleVersionException> caught = new AtomicReference<>();
        AtomicReference<StaleVersionException> thrown = new AtomicReference<>();
        overtaken("UPDATE items SET list = 'theirs', version = version + 1", () -> thrown.set(
                assertThrows(StaleVersionException.class, () -> engine.run(at(isolation), tx -> {
                    attempts.incrementAndGet();
                    try {
                        return ITEMS.update(tx.connection(), seen, Map.of("list", "ours"));
                    } catch (StaleVersionException stale) {
                        caught.set(stale);
                        throw stale;
                    }
                })))).join();
        assertSame(caught.get(), thrown.get(), "the engine changed the exception");
        assertEquals(10L, thrown.get().expected());
        assertEquals(11L, thrown.get().actual());
        assertEquals(Optional.of(BigDecimal.ONE), thrown.get().gap());
        // Above READ COMMITTED the first attempt ends in 40001, and a new snapshot shows what happened.
        assertEquals(isolation == Isolation.READ_COMMITTED ? 1 : 2, attempts.get());
        assertEquals("theirs", database.ask("SELECT list FROM items"));
    }

    @ParameterizedTest
    @EnumSource(names = {"READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE"})
    void theOtherOneDeletedTheRow(Isolation isolation) throws SQLException {
        VersionedRow seen = engine.run(tx -> ITEMS.load(tx.connection(), 1).orElseThrow());
        AtomicReference<StaleVersionException> thrown = new AtomicReference<>();
        overtaken("DELETE FROM items", () -> thrown.set(assertThrows(StaleVersionException.class,
                () -> engine.run(at(isolation), tx -> ITEMS.merge(tx.connection(), seen, row -> Map.of("list", "ours")))))).join();
        assertTrue(thrown.get().isGone());
        assertEquals(10L, thrown.get().expected());
        assertNull(thrown.get().actual());
        assertEquals(0, database.count("items"));
    }

    @ParameterizedTest
    @EnumSource(names = {"READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE"})
    void whatLooksAsItDidIsWrittenWithoutAWord(Isolation isolation) throws SQLException {
        VersionedRow seen = engine.run(tx -> ITEMS.load(tx.connection(), 1).orElseThrow());
        AtomicReference<VersionedRow> written = new AtomicReference<>();
        overtaken("UPDATE items SET version = version + 1", () -> written.set(
                engine.run(at(isolation), tx -> ITEMS.update(tx.connection(), seen, Map.of("list", "ours"))))).join();
        assertEquals(12L, written.get().version());
        assertEquals("ours", database.ask("SELECT list FROM items"));
    }

    @ParameterizedTest
    @EnumSource(names = {"READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE"})
    void aMergeAddsToWhatTheOtherOneWrote(Isolation isolation) throws SQLException {
        AtomicInteger attempts = new AtomicInteger();
        AtomicInteger merges = new AtomicInteger();
        overtaken("UPDATE items SET list = list || 'theirs ', version = version + 1", () -> engine.run(at(isolation), tx -> {
            attempts.incrementAndGet();
            return ITEMS.merge(tx.connection(), 1, row -> {
                merges.incrementAndGet();
                return Map.of("list", row.get("list") + "ours ");
            });
        })).join();
        assertEquals("theirs ours 12", database.ask("SELECT list || version FROM items"));
        assertEquals(2, merges.get());
        assertEquals(isolation == Isolation.READ_COMMITTED ? 1 : 2, attempts.get());
    }

    /** The row that the merge gets the second time is locked: there is no third time. */
    @Test
    void theSecondReadingKeepsOthersOut() throws SQLException {
        try (Connection connection = pool.getConnection()) {
            connection.setAutoCommit(false);
            AtomicInteger merges = new AtomicInteger();
            ITEMS.merge(connection, 1, row -> {
                if (merges.incrementAndGet() == 1) {
                    database.execute("UPDATE items SET list = 'theirs ', version = version + 1");
                } else {
                    SQLException locked = assertThrows(SQLException.class,
                            () -> database.execute("SELECT FROM items FOR UPDATE NOWAIT"));
                    assertEquals("55P03", locked.getSQLState());
                }
                return Map.of("list", row.get("list") + "ours");
            });
            connection.commit();
            assertEquals(2, merges.get());
            assertEquals("theirs ours", database.ask("SELECT list FROM items"));
        }
    }

    /** In one snapshot there is nothing newer to see, so that a merge could only undo: the server says 40001, and it stays so. */
    @ParameterizedTest
    @EnumSource(names = {"REPEATABLE_READ", "SERIALIZABLE"})
    void aSnapshotThatIsOvertakenIsLeftToTheEngine(Isolation isolation) throws SQLException {
        try (Connection connection = database.plain("").getConnection()) {
            connection.setTransactionIsolation(isolation == Isolation.REPEATABLE_READ
                    ? Connection.TRANSACTION_REPEATABLE_READ : Connection.TRANSACTION_SERIALIZABLE);
            connection.setAutoCommit(false);
            AtomicInteger merges = new AtomicInteger();
            ITEMS.load(connection, 1);
            database.execute("UPDATE items SET list = 'theirs', version = version + 1");
            assertEquals(10L, ITEMS.load(connection, 1).orElseThrow().version());
            SQLException conflict = assertThrows(SQLException.class, () -> ITEMS.merge(connection, 1, row -> {
                merges.incrementAndGet();
                return Map.of("list", "ours");
            }));
            assertEquals("40001", conflict.getSQLState());
            assertEquals(1, merges.get());
            connection.rollback();
            assertEquals(11L, ITEMS.load(connection, 1).orElseThrow().version());
        }
    }

    /** A stale copy in a fresh snapshot is merged there and then, at any level. */
    @ParameterizedTest
    @EnumSource(names = {"READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE"})
    void aCopyThatWasStaleBeforehandIsMergedAtOnce(Isolation isolation) throws SQLException {
        VersionedRow seen = engine.run(tx -> ITEMS.load(tx.connection(), 1).orElseThrow());
        database.execute("UPDATE items SET list = 'theirs ', version = version + 1");
        int before = EVENTS.of(TransactionEvent.AttemptStarted.class).size();
        engine.execute(at(isolation), tx -> ITEMS.merge(tx.connection(), seen, row -> Map.of("list", row.get("list") + "ours")));
        assertEquals(1, EVENTS.of(TransactionEvent.AttemptStarted.class).size() - before);
        assertEquals("theirs ours", database.ask("SELECT list FROM items"));
    }

    @Test
    void nothingToWriteIsNothingWritten() throws SQLException {
        VersionedRow row = engine.run(tx -> ITEMS.merge(tx.connection(), 1, current -> Map.of()));
        assertEquals(10L, row.version());
        VersionedRow after = engine.run(tx -> ITEMS.load(tx.connection(), 1).orElseThrow());
        assertEquals(10L, after.version());
    }

    @Test
    void theStandardClassifierNeverRepeatsAStaleVersion() throws SQLException {
        database.execute("UPDATE items SET version = 12");
        List<String> all = List.of("55P03", "55006", "25P03", "53100", "53200", "58000", "58030", "23505", "23P01");
        PostgresClassifier most = PostgresClassifier.standard().alsoRetrying(all.toArray(String[]::new));
        StaleVersionException stale = assertThrows(StaleVersionException.class,
                () -> engine.run(tx -> ITEMS.update(tx.connection(), 1, 10L, Map.of("list", "ours"))));
        assertNull(stale.getCause());
        for (boolean serializable : List.of(true, false)) {
            Failure failure = new Failure(Phase.BODY, stale, null, null, false, true, serializable);
            assertEquals(Optional.of(Verdict.PERMANENT), most.classify(failure));
        }
        assertFalse(EVENTS.of(TransactionEvent.AttemptFailed.class).isEmpty());
    }
}
