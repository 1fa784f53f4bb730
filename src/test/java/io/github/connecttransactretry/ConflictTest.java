package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real conflicts between real sessions, until every call has succeeded exactly once. */
@Tag("matrix")
class ConflictTest {

    private static final int THREADS = 8;
    private static final int CALLS_EACH = 5;

    private static TestDatabase database;
    private static HikariDataSource pool;

    private final RecordedEvents events = new RecordedEvents();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch(Map.of("deadlock_timeout", "50ms"));
        pool = database.pool(THREADS, "");
    }

    @AfterAll
    static void stop() {
        pool.close();
        database.close();
    }

    private ConnectTransactRetry executor() {
        return ConnectTransactRetry.builder(pool).listener(events).build();
    }

    /** Each reads the highest number and appends the next: without SERIALIZABLE and retries, numbers would come twice. */
    @Test
    void writeSkewUnderSerializableIsRetriedToSuccess() throws Exception {
        database.execute("CREATE TABLE ticket(n int, by_call text)");
        CyclicBarrier allHaveRead = new CyclicBarrier(THREADS);
        try (ConnectTransactRetry executor = executor()) {
            List<Integer> drawn = concurrently(THREADS, thread -> {
                List<Integer> mine = new ArrayList<>();
                for (int call = 0; call < CALLS_EACH; call++) {
                    boolean meet = call == 0;
                    String name = thread + "/" + call;
                    mine.add(executor.run(TransactionOptions.serializable(), tx -> {
                        int next = number(tx.connection(), "SELECT coalesce(max(n), 0) + 1 FROM ticket");
                        if (meet && tx.attempt() == 1) {
                            await(allHaveRead);
                        }
                        try (PreparedStatement insert = tx.connection().prepareStatement("INSERT INTO ticket VALUES (?, ?)")) {
                            insert.setInt(1, next);
                            insert.setString(2, name);
                            insert.executeUpdate();
                        }
                        return next;
                    }));
                }
                return mine;
            }).stream().flatMap(List::stream).sorted().toList();
            assertEquals(IntStream.rangeClosed(1, THREADS * CALLS_EACH).boxed().toList(), drawn);
        }
        assertEquals(THREADS * CALLS_EACH, database.count("ticket"));
        assertEquals(THREADS * CALLS_EACH, database.count("(SELECT DISTINCT by_call FROM ticket) calls"));
        List<AttemptFailure> failures = failures();
        assertTrue(failures.size() >= THREADS - 1, "all but one of those that had read together must fail: " + failures);
        assertEquals(List.of("40001 CONFLICT"), kinds(failures));
        assertEquals(0, events.of(TransactionEvent.Evicted.class).size(), "a conflict is no reason to drop a connection");
    }

    @Test
    void deadlocksAreRetriedToSuccess() throws Exception {
        database.execute("CREATE TABLE account(id int PRIMARY KEY, balance int)",
                "INSERT INTO account VALUES (1, 0), (2, 0)");
        CyclicBarrier bothHoldOne = new CyclicBarrier(2);
        try (ConnectTransactRetry executor = executor()) {
            List<Integer> attempts = concurrently(2, thread -> executor.run(tx -> {
                add(tx.connection(), 1 + thread);
                if (tx.attempt() == 1) {
                    await(bothHoldOne);
                }
                add(tx.connection(), 2 - thread);
                return tx.attempt();
            }));
            // More than one if the victim is back at its first row before the other one has been woken.
            int victims = attempts.stream().mapToInt(Integer::intValue).sum() - 2;
            assertTrue(victims >= 1, "one of the two is the victim");
            assertEquals(victims, failures().size());
        }
        assertEquals("2,2", database.ask("SELECT string_agg(balance::text, ',') FROM account"));
        assertEquals(List.of("40P01 CONFLICT"), kinds(failures()));
    }

    @Test
    void lostUpdateUnderRepeatableReadIsRetriedToSuccess() throws Exception {
        database.execute("CREATE TABLE total(n int)", "INSERT INTO total VALUES (0)");
        CyclicBarrier allHaveRead = new CyclicBarrier(THREADS);
        try (ConnectTransactRetry executor = executor()) {
            concurrently(THREADS, thread -> executor.run(TransactionOptions.repeatableRead(), tx -> {
                int read = number(tx.connection(), "SELECT n FROM total");
                if (tx.attempt() == 1) {
                    await(allHaveRead);
                }
                try (PreparedStatement update = tx.connection().prepareStatement("UPDATE total SET n = ?")) {
                    update.setInt(1, read + 1);
                    return update.executeUpdate();
                }
            }));
        }
        assertEquals(THREADS, Integer.parseInt(database.ask("SELECT n FROM total")));
        assertEquals(List.of("40001 CONFLICT"), kinds(failures()));
    }

    /** pgjdbc keeps server-prepared plans; in a transaction it cannot prepare anew by itself. */
    @ParameterizedTest
    @ValueSource(strings = {"prepareThreshold=1", "prepareThreshold=1&autosave=never&preferQueryMode=extended"})
    void aPlanThatNoLongerFitsIsDroppedAndTheCallGoesAgain(String mode) throws SQLException {
        database.execute("DROP TABLE IF EXISTS shape", "CREATE TABLE shape(a int)", "INSERT INTO shape VALUES (1)");
        try (HikariDataSource one = database.pool(1, mode);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(one).listener(events).build()) {
            assertEquals(1, executor.<Integer, SQLException>run(ConflictTest::columns));
            assertEquals(1, executor.<Integer, SQLException>run(ConflictTest::columns));
            database.execute("ALTER TABLE shape ADD COLUMN b int");
            assertEquals(2, executor.<Integer, SQLException>run(ConflictTest::columns));
            AttemptFailure failure = failures().get(0);
            assertEquals(1, failures().size());
            assertEquals("0A000", failure.sqlState());
            assertEquals(Verdict.STALE_PLAN, failure.verdict());
        }
    }

    private static int columns(Transaction tx) throws SQLException {
        try (PreparedStatement select = tx.connection().prepareStatement("SELECT * FROM shape");
                ResultSet rows = select.executeQuery()) {
            rows.next();
            return rows.getMetaData().getColumnCount();
        }
    }

    private static void add(Connection connection, int id) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement("UPDATE account SET balance = balance + 1 WHERE id = ?")) {
            update.setInt(1, id);
            update.executeUpdate();
        }
    }

    private static int number(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return row.getInt(1);
        }
    }

    private List<AttemptFailure> failures() {
        return events.of(TransactionEvent.AttemptFailed.class).stream().map(TransactionEvent.AttemptFailed::failure).toList();
    }

    private static List<String> kinds(List<AttemptFailure> failures) {
        return failures.stream().map(f -> f.sqlState() + " " + f.verdict()).distinct().collect(Collectors.toList());
    }

    private static void await(CyclicBarrier barrier) {
        try {
            barrier.await(20, TimeUnit.SECONDS);
        } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
            throw new IllegalStateException(e);
        }
    }

    private interface Work<T> {
        T of(int thread) throws Exception;
    }

    private static <T> List<T> concurrently(int threads, Work<T> work) throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            List<Callable<T>> tasks = IntStream.range(0, threads).<Callable<T>>mapToObj(i -> () -> work.of(i)).toList();
            List<T> results = new ArrayList<>();
            for (Future<T> result : executor.invokeAll(tasks, 60, TimeUnit.SECONDS)) {
                results.add(result.get());
            }
            return results;
        } catch (ExecutionException e) {
            throw new AssertionError("a call failed", e.getCause());
        } finally {
            executor.shutdownNow();
        }
    }
}
