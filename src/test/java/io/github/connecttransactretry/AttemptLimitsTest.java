package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.core.BaseConnection;

/** How often a function is run, and what is never run again. */
class AttemptLimitsTest {

    private static final String KILL_MYSELF = "SELECT pg_terminate_backend(pg_backend_pid())";
    private static final RetryPolicy QUICK = RetryPolicy.defaults().withOutageBackoff(Backoff.fixed(Duration.ofMillis(5)));

    private static TestDatabase database;
    private static HikariDataSource pool;

    private final RecordedEvents events = new RecordedEvents();
    private final AtomicInteger runs = new AtomicInteger();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(what text)", "CREATE TABLE taken(id int PRIMARY KEY)", "INSERT INTO taken VALUES (1)");
        pool = database.pool(2, "");
    }

    @AfterAll
    static void stop() {
        pool.close();
        database.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        database.execute("TRUNCATE effect");
    }

    private ConnectTransactRetry executor(RetryPolicy policy) {
        return ConnectTransactRetry.builder(pool).retryPolicy(policy).listener(events).build();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void aFunctionThatKillsItsBackendIsRepeatedSoManyTimesOnly(int losses) throws SQLException {
        try (ConnectTransactRetry executor = executor(QUICK.withMaxBodyLosses(losses))) {
            RetriesExhaustedException exhausted = assertThrows(RetriesExhaustedException.class, () -> executor.execute(tx -> {
                runs.incrementAndGet();
                insert(tx.connection());
                execute(tx.connection(), KILL_MYSELF);
            }));
            assertEquals(losses + 1, runs.get());
            assertTrue(exhausted.getMessage().contains("may crash its backend"), exhausted::getMessage);
            assertTrue(exhausted.getMessage().contains("lost inside the function " + (losses + 1) + " times"), exhausted::getMessage);
            assertEquals("57P01", ((SQLException) exhausted.getCause()).getSQLState());
            assertEquals(Set.of("57P01 OUTAGE"),
                    exhausted.failures().stream().map(f -> f.sqlState() + " " + f.verdict()).collect(Collectors.toSet()));
            assertWellAfterwards(executor);
        }
    }

    @Test
    void threeRunsAreTheDefault() {
        assertEquals(2, RetryPolicy.defaults().maxBodyLosses());
    }

    @Test
    void aLossThatTheFunctionSwallowsCountsToo() throws SQLException {
        try (ConnectTransactRetry executor = executor(QUICK)) {
            assertThrows(RetriesExhaustedException.class, () -> executor.run(tx -> {
                runs.incrementAndGet();
                insert(tx.connection());
                assertThrows(SQLException.class, () -> execute(tx.connection(), KILL_MYSELF));
                return "as if committed";
            }));
            assertEquals(3, runs.get());
            assertWellAfterwards(executor);
        }
    }

    /** The guard has seen another error, but that was mended: what ended the attempt is the loss, which is retried. */
    @Test
    void anEarlierErrorDoesNotPassForTheLoss() throws SQLException {
        try (ConnectTransactRetry executor = executor(QUICK)) {
            int attempts = executor.run(tx -> {
                runs.incrementAndGet();
                Savepoint before = tx.connection().setSavepoint();
                assertThrows(SQLException.class, () -> execute(tx.connection(), "INSERT INTO taken VALUES (1)"));
                tx.connection().rollback(before);
                if (tx.attempt() == 1) {
                    BaseConnection own = tx.connection().unwrap(BaseConnection.class);
                    assertThrows(SQLException.class, () -> own.execSQLUpdate(KILL_MYSELF));
                }
                return tx.attempt();
            });
            assertEquals(2, attempts);
            assertEquals(2, runs.get());
        }
    }

    @Test
    void aFunctionThatLosesItsConnectionOnceIsRepeatedOnAnother() throws SQLException {
        try (ConnectTransactRetry executor = executor(QUICK)) {
            int attempts = executor.run(tx -> {
                insert(tx.connection());
                if (tx.attempt() == 1) {
                    execute(tx.connection(), KILL_MYSELF);
                }
                return tx.attempt();
            });
            assertEquals(2, attempts);
            assertEquals(1, database.count("effect"));
            assertEquals(1, events.of(TransactionEvent.Evicted.class).size());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void noMoreThanMaxAttempts(int most) throws SQLException {
        try (ConnectTransactRetry executor = executor(QUICK.withMaxAttempts(most))) {
            RetriesExhaustedException exhausted = assertThrows(RetriesExhaustedException.class, () -> executor.execute(tx -> {
                runs.incrementAndGet();
                throw new SQLException("for ever", "40001");
            }));
            assertEquals(most, runs.get());
            assertEquals(most, exhausted.failures().size());
            assertEquals(most - 1, events.of(TransactionEvent.RetryScheduled.class).size());
        }
    }

    /** PgBouncer says all its troubles so; without a pooler it is a mistake of the client's, which no repetition mends. */
    @Test
    void protocolViolationIsRepeatedAtMostTwice() throws SQLException {
        try (ConnectTransactRetry executor = executor(QUICK)) {
            RetriesExhaustedException exhausted = assertThrows(RetriesExhaustedException.class, () -> executor.execute(tx -> {
                runs.incrementAndGet();
                throw new SQLException("as PgBouncer says it", "08P01");
            }));
            assertEquals(3, runs.get());
            assertTrue(exhausted.getMessage().contains("doubtful failure came 3 times"), exhausted::getMessage);
            assertEquals(3, events.of(TransactionEvent.Evicted.class).size(), "each on a new connection");
        }
    }

    @Test
    void uniqueViolationsUnderSerializableAreRepeatedTwiceIfOptedIn() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).retryPolicy(QUICK).listener(events)
                .classifier(PostgresClassifier.standard().alsoRetrying("23505")).build()) {
            RetriesExhaustedException exhausted = assertThrows(RetriesExhaustedException.class,
                    () -> executor.execute(TransactionOptions.serializable(), this::violate));
            assertEquals(3, runs.getAndSet(0));
            assertEquals(Verdict.SUSPECTED_CONFLICT, exhausted.failures().get(0).verdict());
            assertEquals("23505", assertThrows(SQLException.class, () -> executor.execute(this::violate)).getSQLState());
            assertEquals(1, runs.getAndSet(0));
        }
        String serializable = "options=-c%20default_transaction_isolation=serializable";
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain(serializable)).retryPolicy(QUICK)
                .classifier(PostgresClassifier.standard().alsoRetrying("23505")).build()) {
            assertThrows(RetriesExhaustedException.class, () -> executor.execute(this::violate));
            assertEquals(3, runs.get(), "the session's own isolation is SERIALIZABLE");
        }
    }

    private void violate(Transaction tx) throws SQLException {
        runs.incrementAndGet();
        execute(tx.connection(), "INSERT INTO taken VALUES (1)");
    }

    @Test
    void rollbackOnlyReturnsTheValueAndCommitsNothing() throws SQLException {
        AtomicInteger committed = new AtomicInteger();
        AtomicInteger rolledBack = new AtomicInteger();
        try (ConnectTransactRetry executor = executor(QUICK)) {
            for (boolean withSwallowedError : new boolean[] {false, true}) {
                String value = executor.run(tx -> {
                    tx.afterCommit(committed::incrementAndGet);
                    tx.afterRollback(rolledBack::incrementAndGet);
                    insert(tx.connection());
                    tx.rollbackOnly();
                    assertTrue(tx.isRollbackOnly());
                    if (withSwallowedError) {
                        assertThrows(SQLException.class, () -> execute(tx.connection(), "SELECT 1/0"));
                    }
                    return "preview";
                });
                assertEquals("preview", value);
            }
            assertEquals(0, committed.get());
            assertEquals(2, rolledBack.get());
            assertWellAfterwards(executor);
        }
    }

    @Test
    void aNestedCallOfTheSameEngineIsRefused() throws SQLException {
        try (ConnectTransactRetry executor = executor(QUICK)) {
            executor.execute(tx -> {
                runs.incrementAndGet();
                insert(tx.connection());
                TransactionRefusedException refused = assertThrows(TransactionRefusedException.class,
                        () -> executor.execute(inner -> insert(inner.connection())));
                assertTrue(refused.getMessage().contains("pass the Transaction on"), refused::getMessage);
                assertTrue(refused.getMessage().contains("afterCommit"), refused::getMessage);
            });
            assertEquals(1, runs.get());
            assertEquals(1, database.count("effect"), "the outer call is not harmed by a refusal that it swallows");
            TransactionRefusedException passedOn = assertThrows(TransactionRefusedException.class, () -> executor.execute(tx -> {
                runs.incrementAndGet();
                executor.run(Transaction::attempt);
            }));
            assertTrue(passedOn.failures().isEmpty());
            assertEquals(2, runs.get());
        }
    }

    @Test
    void anotherEngineIsAllowedInsideAndTheSameOneInAfterCommit() throws SQLException {
        try (ConnectTransactRetry executor = executor(QUICK);
                ConnectTransactRetry other = ConnectTransactRetry.builder(database.plain("")).build()) {
            executor.execute(tx -> {
                insert(tx.connection());
                other.execute(inner -> {
                    insert(inner.connection());
                    assertThrows(TransactionRefusedException.class, () -> executor.run(Transaction::attempt));
                });
                tx.afterCommit(() -> assertEquals(1, executor.<Integer, RuntimeException>run(Transaction::attempt)));
                tx.afterCommit(runs::incrementAndGet);
            });
            assertEquals(1, runs.get());
            assertEquals(2, database.count("effect"));
            executor.execute(tx -> tx.afterCommit(() -> {
                try {
                    executor.execute(inner -> insert(inner.connection()));
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            }));
            assertEquals(3, database.count("effect"));
        }
    }

    /** Its transaction may be committed: to run our function again would run it again too, although its cause is a lost connection. */
    @Test
    void anotherEnginesUnknownOutcomeIsNeverRetried() throws SQLException {
        try (WireProxy proxy = WireProxy.to(database.server().port());
                ConnectTransactRetry executor = executor(QUICK);
                ConnectTransactRetry other = ConnectTransactRetry.builder(() -> database.server().connect(proxy.port()))
                        .outcome(OutcomeMode.NONE).build()) {
            for (boolean wrapped : new boolean[] {false, true}) {
                runs.set(0);
                proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
                RuntimeException caught = assertThrows(RuntimeException.class, () -> executor.execute(tx -> {
                    runs.incrementAndGet();
                    try {
                        other.execute(inner -> insert(inner.connection()));
                    } catch (CommitOutcomeUnknownException unknown) {
                        throw wrapped ? new IllegalStateException("a framework's", unknown) : unknown;
                    }
                }));
                Throwable unknown = wrapped ? caught.getCause() : caught;
                assertSame(CommitOutcomeUnknownException.class, unknown.getClass());
                assertTrue(((SQLException) unknown.getCause()).getSQLState().startsWith("08"), "the test is about a transient cause");
                assertEquals(1, runs.get());
            }
            assertEquals(2, database.count("effect"), "each of the other engine's transactions once");
        }
    }

    private void assertWellAfterwards(ConnectTransactRetry executor) throws SQLException {
        assertEquals(0, database.count("effect"), "something was committed");
        assertEquals(1, executor.<Integer, SQLException>run(tx -> {
            insert(tx.connection());
            return tx.attempt();
        }));
        assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
        for (AttemptFailure failure : events.of(TransactionEvent.AttemptFailed.class).stream().map(e -> e.failure()).toList()) {
            assertTrue(failure.attempt() >= 1, failure::describe);
        }
    }

    private static void insert(Connection connection) throws SQLException {
        execute(connection, "INSERT INTO effect VALUES ('x')");
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
