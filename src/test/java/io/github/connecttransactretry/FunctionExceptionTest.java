package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.classify.ErrorClassifier;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLIntegrityConstraintViolationException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a function throws, and what its caller gets. */
class FunctionExceptionTest {

    private static final Duration PAUSE = Duration.ofMillis(3);
    private static final RetryPolicy THREE_ATTEMPTS =
            RetryPolicy.defaults().withMaxAttempts(3).withConflictBackoff(Backoff.fixed(PAUSE));

    /** As some libraries keep them: one instance for ever. */
    private static final SQLException STATIC_CONFLICT = new SQLException("always the same instance", "40001");
    private static final IOException STATIC_OWN = new IOException("always the same instance");

    private static TestDatabase database;
    /** Of one connection, so that one that is not given back is missed by the next call. */
    private static HikariDataSource pool;

    private final RecordedEvents events = new RecordedEvents();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(what text)");
        pool = database.pool(1, "");
        pool.setConnectionTimeout(2_000);
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

    private ConnectTransactRetry executor() {
        return ConnectTransactRetry.builder(pool).retryPolicy(THREE_ATTEMPTS).listener(events).build();
    }

    /** Declares nothing but what its functions throw: that it compiles is half of the test. */
    private String typed(ConnectTransactRetry executor, FileNotFoundException own) throws FileNotFoundException {
        return executor.run(tx -> {
            if (own != null) {
                throw own;
            }
            return "no checked exception";
        });
    }

    @Test
    void anExceptionOfTheFunctionArrivesAsItIs() throws SQLException {
        try (ConnectTransactRetry executor = executor()) {
            List<Exception> own = List.of(new FileNotFoundException("checked"), new IllegalStateException("unchecked"),
                    new SQLException("no state"), new SQLIntegrityConstraintViolationException("a state that is not retried", "23505"),
                    new IOException("wrapped", new SQLException("inside", "22001")));
            for (Exception thrown : own) {
                AtomicInteger runs = new AtomicInteger();
                Exception caught = assertThrows(thrown.getClass(), () -> executor.run(tx -> {
                    runs.incrementAndGet();
                    insert(tx);
                    throw thrown;
                }));
                assertSame(thrown, caught);
                assertEquals(0, caught.getSuppressed().length);
                assertEquals(1, runs.get());
            }
            List<String> told = events.of(TransactionEvent.AttemptFailed.class).stream().map(e -> e.failure().message()).toList();
            assertEquals(List.of("java.io.FileNotFoundException", "java.lang.IllegalStateException", "java.sql.SQLException",
                    "a state that is not retried", "inside"), told, "the text of an exception of the user's own is the user's");
            FileNotFoundException checked = new FileNotFoundException("typed");
            assertSame(checked, assertThrows(FileNotFoundException.class, () -> typed(executor, checked)));
            assertNothingCommittedAndAllGivenBack(executor);
        }
    }

    @Test
    void aServersErrorArrivesAsTheDriverThrewIt() throws SQLException {
        try (ConnectTransactRetry executor = executor()) {
            List<SQLException> seen = new ArrayList<>();
            SQLException caught = assertThrows(SQLException.class, () -> executor.execute(tx -> {
                insert(tx);
                try (Statement statement = tx.connection().createStatement()) {
                    statement.execute("SELECT 1/0");
                } catch (SQLException e) {
                    seen.add(e);
                    throw e;
                }
            }));
            assertSame(seen.get(0), caught);
            assertEquals("22012", caught.getSQLState());
            assertEquals(1, seen.size());
            assertNothingCommittedAndAllGivenBack(executor);
        }
    }

    @Test
    void whenAttemptsRunOutTheLastExceptionIsTheCauseAndAllAreListed() throws SQLException {
        try (ConnectTransactRetry executor = executor()) {
            List<SQLException> thrown = new ArrayList<>();
            RetriesExhaustedException exhausted = assertThrows(RetriesExhaustedException.class, () -> executor.run(
                    TransactionOptions.defaults().withLabel("transfer"), tx -> {
                        insert(tx);
                        SQLException next = new SQLException("conflict " + tx.attempt(), tx.attempt() == 2 ? "40P01" : "40001");
                        thrown.add(next);
                        throw tx.attempt() == 2 ? new IllegalStateException("framework", next) : next;
                    }));
            assertSame(thrown.get(2), exhausted.getCause());
            for (String part : List.of("all 3 attempts failed", "in transfer", "after 3 attempts", "40001", "conflict 3")) {
                assertTrue(exhausted.getMessage().contains(part), exhausted::getMessage);
            }
            assertComplete(exhausted.failures(), List.of("40001", "40P01", "40001"));
            for (SQLException one : thrown) {
                assertEquals(0, one.getSuppressed().length);
            }
            assertEquals(2, events.of(TransactionEvent.RetryScheduled.class).size());
            assertEquals(3, events.of(TransactionEvent.AttemptFailed.class).size());
            assertThrows(UnsupportedOperationException.class, () -> exhausted.failures().clear());
            assertNothingCommittedAndAllGivenBack(executor);
        }
    }

    private static void assertComplete(List<AttemptFailure> failures, List<String> sqlStates) {
        assertEquals(sqlStates, failures.stream().map(AttemptFailure::sqlState).toList());
        for (int i = 0; i < failures.size(); i++) {
            AttemptFailure failure = failures.get(i);
            boolean last = i == failures.size() - 1;
            assertEquals(i + 1, failure.attempt());
            assertEquals(Phase.BODY, failure.phase());
            assertEquals(Verdict.CONFLICT, failure.verdict());
            assertEquals("conflict " + (i + 1), failure.message());
            assertEquals(last ? Duration.ZERO : PAUSE, failure.delay());
            assertTrue(failure.duration().toNanos() > 0 && failure.duration().toSeconds() < 10, failure::toString);
        }
    }

    @Test
    void whenTimeRunsOutTheLastExceptionIsTheCause() throws SQLException {
        try (ConnectTransactRetry executor = executor()) {
            SQLException conflict = new SQLException("again and again", "40001");
            TransactionOptions brief = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(5));
            ConnectTransactRetry slow = ConnectTransactRetry.builder(pool)
                    .retryPolicy(RetryPolicy.defaults().withConflictBackoff(Backoff.fixed(Duration.ofSeconds(10)))).build();
            long began = System.nanoTime();
            DeadlineExceededException overdue = assertThrows(DeadlineExceededException.class, () -> slow.run(brief, tx -> {
                insert(tx);
                throw conflict;
            }));
            long took = Duration.ofNanos(System.nanoTime() - began).toMillis();
            assertSame(conflict, overdue.getCause());
            assertEquals(1, overdue.failures().size());
            assertEquals(Duration.ZERO, overdue.failures().get(0).delay());
            assertTrue(overdue.getMessage().contains("time was over") && overdue.getMessage().contains("40001"), overdue::getMessage);
            assertTrue(took < 5_000, "a sleep was begun that would have outlived the deadline: " + took + " ms");
            slow.close();
            assertNothingCommittedAndAllGivenBack(executor);
        }
    }

    /** The last attempt may find no time even to connect; what kept the call from success is then the failure before it. */
    @Test
    void whenTimeRunsOutWhileConnectingTheFailureBeforeItIsNamedToo() throws SQLException {
        try (Connection taken = pool.getConnection()) {
            AtomicInteger asked = new AtomicInteger();
            ConnectionSource source = () -> asked.incrementAndGet() == 1 ? database.server().connect() : pool.getConnection();
            try (ConnectTransactRetry starved = ConnectTransactRetry.builder(source).build()) {
                TransactionOptions brief = TransactionOptions.defaults().withTimeout(Duration.ofMillis(500));
                DeadlineExceededException overdue = assertThrows(DeadlineExceededException.class, () -> starved.execute(brief, tx -> {
                    throw new SQLException("what really went wrong", "40001");
                }));
                assertTrue(overdue.getMessage().contains("last: CONNECT: no connection came within the call's deadline"
                        + "; before: BODY 40001: what really went wrong"), overdue::getMessage);
                assertFalse(taken.isClosed());
            }
        }
    }

    @Test
    void anErrorRollsBackAndPassesThroughAndIsNeverRetried() throws SQLException {
        try (ConnectTransactRetry executor = executor()) {
            for (Error error : List.of(new AssertionError("own"), new StackOverflowError(),
                    new AssertionError("with a state inside", new SQLException("transient", "40001")))) {
                AtomicInteger runs = new AtomicInteger();
                AtomicInteger rolledBack = new AtomicInteger();
                Error caught = assertThrows(error.getClass(), () -> executor.execute(tx -> {
                    runs.incrementAndGet();
                    tx.afterRollback(rolledBack::incrementAndGet);
                    insert(tx);
                    throw error;
                }));
                assertSame(error, caught);
                assertEquals(0, caught.getSuppressed().length);
                assertEquals(1, runs.get());
                assertEquals(1, rolledBack.get());
            }
            assertNothingCommittedAndAllGivenBack(executor);
        }
    }

    /** addSuppressed on a static exception would grow with every call, and on itself would be an IllegalArgumentException. */
    @Test
    void staticExceptionsAccumulateNothing() throws SQLException {
        ErrorClassifier wrapsTheSame = failure -> {
            throw new IllegalStateException(failure.thrown());
        };
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).classifier(wrapsTheSame).build();
                ConnectTransactRetry standard = executor()) {
            StackTraceElement[] trace = STATIC_CONFLICT.getStackTrace();
            for (int call = 0; call < 5; call++) {
                assertSame(STATIC_OWN, assertThrows(IOException.class, () -> standard.execute(tx -> {
                    insert(tx);
                    throw STATIC_OWN;
                })));
                assertSame(STATIC_CONFLICT, assertThrows(RetriesExhaustedException.class, () -> standard.execute(tx -> {
                    insert(tx);
                    throw STATIC_CONFLICT;
                })).getCause());
                assertSame(STATIC_CONFLICT, assertThrows(SQLException.class, () -> executor.execute(tx -> {
                    insert(tx);
                    throw STATIC_CONFLICT;
                })));
            }
            assertEquals(5, log.events().stream().filter(line -> line.getThrowableProxy() != null).count(),
                    "what a classifier throws has to be seen");
            for (Exception kept : List.of(STATIC_CONFLICT, STATIC_OWN)) {
                assertEquals(0, kept.getSuppressed().length);
                assertEquals(null, kept.getCause());
            }
            assertEquals(null, STATIC_CONFLICT.getNextException());
            assertEquals(List.of(trace), List.of(STATIC_CONFLICT.getStackTrace()));
            assertNothingCommittedAndAllGivenBack(standard);
        }
    }

    @Test
    void aClassifierThatThrowsMeansPermanentAndLeaksNothing() throws SQLException {
        List<Throwable> breaks =
                List.of(new IllegalStateException("broken"), new NoClassDefFoundError("missing"), new StackOverflowError());
        for (Throwable broken : breaks) {
            ErrorClassifier classifier = failure -> {
                throw FunctionExceptionTest.<RuntimeException>sneaky(broken);
            };
            try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN);
                    ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).classifier(classifier).build()) {
                SQLException own = new SQLException("would be retried", "40001");
                assertSame(own, assertThrows(SQLException.class, () -> executor.execute(tx -> {
                    insert(tx);
                    throw own;
                })));
                assertEquals(1, log.events().size());
                assertTrue(log.text().contains("ErrorClassifier threw"), log::text);
                assertNothingCommittedAndAllGivenBack(executor);
            }
        }
        // The very exception that is to be classified: nothing may be added to itself.
        ErrorClassifier throwsTheSame = failure -> {
            throw (RuntimeException) failure.thrown();
        };
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).classifier(throwsTheSame).build()) {
            IllegalStateException own = new IllegalStateException("mine");
            assertSame(own, assertThrows(IllegalStateException.class, () -> executor.execute(tx -> {
                throw own;
            })));
            assertEquals(1, log.events().size());
            assertNothingCommittedAndAllGivenBack(executor);
        }
    }

    @Test
    void aClassifierOfTheUsersOwnDecidesFirstAndMayPassOn() throws Exception {
        List<String> asked = new ArrayList<>();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).retryPolicy(THREE_ATTEMPTS).classifier(failure -> {
            asked.add(failure.phase() + " " + failure.sqlState());
            return failure.thrown() instanceof IOException ? Optional.of(Verdict.CONFLICT) : Optional.empty();
        }).build()) {
            int attempts = executor.run(tx -> {
                insert(tx);
                if (tx.attempt() == 1) {
                    throw new IOException("transient, says the user");
                }
                if (tx.attempt() == 2) {
                    throw new IOException(new SQLException("and this one by either", "40001"));
                }
                return tx.attempt();
            });
            assertEquals(3, attempts);
            assertEquals(List.of("BODY null", "BODY 40001"), asked);
            assertEquals(1, database.count("effect"));
            SQLException passedOn = new SQLException("not by the standard either", "22012");
            assertSame(passedOn, assertThrows(SQLException.class, () -> executor.execute(tx -> {
                throw passedOn;
            })));
        }
    }

    @Test
    void anotherAttemptGetsANewTransactionAndTheValueIsTheCommittedOne() throws SQLException {
        List<Transaction> transactions = new ArrayList<>();
        List<Integer> rolledBack = new ArrayList<>();
        List<Integer> committed = new ArrayList<>();
        try (ConnectTransactRetry executor = executor()) {
            Object value = executor.run(tx -> {
                transactions.add(tx);
                tx.afterRollback(() -> rolledBack.add(tx.attempt()));
                tx.afterCommit(() -> committed.add(tx.attempt()));
                insert(tx);
                if (tx.attempt() < 3) {
                    throw new SQLException("go again", "40001");
                }
                return "value of " + tx.attempt();
            });
            assertEquals("value of 3", value);
            assertEquals(3, transactions.stream().distinct().count());
            assertEquals(List.of(1, 2), rolledBack);
            assertEquals(List.of(3), committed);
            assertEquals("3", database.ask("SELECT string_agg(what, ',') FROM effect"));
            assertInstanceOf(TransactionEvent.CallSucceeded.class, events.all().get(events.all().size() - 1));
        }
    }

    private static void assertNothingCommittedAndAllGivenBack(ConnectTransactRetry executor) throws SQLException {
        assertEquals(0, database.count("effect"), "something was committed");
        assertEquals("given back", executor.run(tx -> "given back"));
        assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
    }

    private static void insert(Transaction tx) throws SQLException {
        try (Statement statement = tx.connection().createStatement()) {
            statement.executeUpdate("INSERT INTO effect VALUES ('" + tx.attempt() + "')");
        }
    }

    @SuppressWarnings("unchecked")
    private static <X extends Throwable> X sneaky(Throwable thrown) throws X {
        throw (X) thrown;
    }
}
