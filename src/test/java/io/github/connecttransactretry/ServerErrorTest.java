package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Errors that a real server raises, and what the engine makes of them by its defaults. */
@Tag("matrix")
class ServerErrorTest {

    private static TestDatabase database;

    private final RecordedEvents events = new RecordedEvents();
    private final AtomicInteger runs = new AtomicInteger();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(what text)", "CREATE TABLE taken(id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)",
                "INSERT INTO taken VALUES (1)");
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        database.execute("TRUNCATE effect");
    }

    private ConnectTransactRetry executor(String parameters) {
        return ConnectTransactRetry.builder(database.plain(parameters)).listener(events).build();
    }

    /** Each arrives unchanged, after one run, with nothing committed. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "57014 | SET LOCAL statement_timeout = 20 | SELECT pg_sleep(20)",
        "22012 | SELECT 1 | SELECT 1/0",
        "42P01 | SELECT 1 | SELECT * FROM nowhere",
        "42601 | SELECT 1 | SELECT FROM WHERE",
        "42501 | SET LOCAL ROLE pg_monitor | SELECT * FROM taken",
        "0A000 | SELECT 1 | SELECT count(*) FROM taken GROUP BY id FOR UPDATE",
        "25001 | SELECT 1 | VACUUM taken",
        "P0001 | SELECT 1 | DO $$ BEGIN RAISE EXCEPTION 'own'; END $$",
        "XX000 | SELECT 1 | DO $$ BEGIN RAISE EXCEPTION 'internal' USING ERRCODE = 'XX000'; END $$",
        "2D000 | SELECT 1 | DO $$ BEGIN COMMIT; END $$"})
    void isNeverRetried(String sqlState, String before, String failing) throws SQLException {
        try (ConnectTransactRetry executor = executor("")) {
            SQLException thrown = assertThrows(SQLException.class, () -> executor.execute(tx -> {
                runs.incrementAndGet();
                insert(tx.connection());
                execute(tx.connection(), before);
                execute(tx.connection(), failing);
            }));
            assertEquals(sqlState, thrown.getSQLState());
            assertEquals(1, runs.get());
        }
        assertEquals(0, database.count("effect"));
    }

    @Test
    void aDeferredUniqueViolationIsReportedByTheCommitAndIsNotCommitted() throws SQLException {
        try (ConnectTransactRetry executor = executor("")) {
            AtomicInteger rolledBack = new AtomicInteger();
            TransactionFailedException failed = assertThrows(TransactionFailedException.class, () -> executor.execute(tx -> {
                runs.incrementAndGet();
                tx.afterRollback(rolledBack::incrementAndGet);
                insert(tx.connection());
                execute(tx.connection(), "INSERT INTO taken VALUES (1)");
            }));
            assertEquals("23505", ((SQLException) failed.getCause()).getSQLState());
            assertEquals(Phase.COMMIT, failed.failures().get(0).phase());
            assertTrue(failed.getMessage().startsWith("COMMIT failed"), failed::getMessage);
            assertEquals(1, runs.get());
            assertEquals(1, rolledBack.get());
            assertTrue(events.of(TransactionEvent.OutcomeAsked.class).isEmpty(), "an ERROR of the server leaves no doubt");
        }
        assertEquals(0, database.count("effect"));
    }

    @Test
    void aLockThatIsNotToBeHadIsRetriedOnlyIfOptedIn() throws SQLException {
        try (Connection other = database.server().connect(); Statement holder = other.createStatement()) {
            other.setAutoCommit(false);
            holder.execute("LOCK TABLE taken IN ACCESS EXCLUSIVE MODE");
            try (ConnectTransactRetry executor = executor("")) {
                SQLException thrown = assertThrows(SQLException.class, () -> executor.execute(this::lockTaken));
                assertEquals("55P03", thrown.getSQLState());
                assertEquals(1, runs.getAndSet(0));
            }
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain(""))
                    .classifier(PostgresClassifier.standard().alsoRetrying("55P03")).build()) {
                int attempts = executor.run(tx -> {
                    tx.afterRollback(() -> rollback(other));
                    lockTaken(tx);
                    return tx.attempt();
                });
                assertEquals(2, attempts);
            }
        }
    }

    private void lockTaken(Transaction tx) throws SQLException {
        runs.incrementAndGet();
        execute(tx.connection(), "LOCK TABLE taken IN ACCESS EXCLUSIVE MODE NOWAIT");
    }

    /** Perhaps the pool leads to a standby just now; whatever it is, it is never reported as committed. */
    @Test
    void aReadOnlySessionNeverCommitsWhatWasToBeWritten() throws SQLException {
        try (ConnectTransactRetry executor = executor("options=-c%20default_transaction_read_only=on")) {
            TransactionOptions brief = TransactionOptions.defaults().withTimeout(Duration.ofMillis(800));
            DeadlineExceededException overdue = assertThrows(DeadlineExceededException.class, () -> executor.execute(brief, tx -> {
                runs.incrementAndGet();
                insert(tx.connection());
            }));
            assertTrue(overdue.getMessage().contains("25006"), overdue::getMessage);
            List<AttemptFailure> inFunction = overdue.failures().stream().filter(f -> f.phase() == Phase.BODY).toList();
            assertEquals(Set.of("25006 STALE_SERVER"),
                    inFunction.stream().map(f -> f.sqlState() + " " + f.verdict()).collect(Collectors.toSet()));
            assertTrue(runs.get() >= 2, "it is tried on other connections");
            assertTrue(events.of(TransactionEvent.Evicted.class).size() >= runs.get());
        }
        try (ConnectTransactRetry once = ConnectTransactRetry.builder(database.plain("options=-c%20default_transaction_read_only=on"))
                .retryPolicy(RetryPolicy.defaults().withMaxAttempts(1)).build()) {
            assertThrows(RetriesExhaustedException.class, () -> once.execute(tx ->
                    assertThrows(SQLException.class, () -> insert(tx.connection()))), "swallowed");
        }
        assertEquals(0, database.count("effect"));
    }

    @Test
    void aReadOnlyCallThatWritesIsToldSoAtOnce() throws SQLException {
        try (ConnectTransactRetry executor = executor("")) {
            SQLException thrown = assertThrows(SQLException.class, () -> executor.execute(TransactionOptions.readOnly(), tx -> {
                runs.incrementAndGet();
                insert(tx.connection());
            }));
            assertEquals("25006", thrown.getSQLState());
            assertEquals(1, runs.get());
            for (String widening : new String[] {"SET TRANSACTION READ WRITE", "set transaction_read_only = off",
                "SET TRANSACTION READ /* c */ WRITE", "SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
                "SET LOCAL transaction_read_only TO off"}) {
                SQLException refused = assertThrows(SQLException.class, () -> executor.execute(TransactionOptions.readOnly(), tx -> {
                    execute(tx.connection(), widening);
                    insert(tx.connection());
                }), widening);
                assertTrue(refused.getMessage().contains("ask for a call that may write"), widening + ": " + refused.getMessage());
            }
            SQLException tooLate = assertThrows(SQLException.class, () -> executor.execute(TransactionOptions.readOnly(), tx ->
                    execute(tx.connection(), "SELECT set_config('transaction_read_only', 'off', true)")));
            assertEquals("25001", tooLate.getSQLState(), "the server lets only a SET widen, which is all that the gate looks at");
            executor.execute(TransactionOptions.readOnly(), tx -> execute(tx.connection(), "SHOW transaction_read_only"));
            executor.execute(TransactionOptions.readOnly(), tx -> execute(tx.connection(), "SELECT 'to read and to write'"));
        }
        assertEquals(0, database.count("effect"));
    }

    @Test
    void aDriverThatIgnoresReadOnlyIsRefused() {
        try (ConnectTransactRetry executor = executor("readOnlyMode=ignore")) {
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class,
                    () -> executor.run(TransactionOptions.readOnly(), tx -> runs.incrementAndGet()));
            assertTrue(refused.getMessage().contains("readOnlyMode=ignore") && refused.getMessage().contains("remove"),
                    refused::getMessage);
            assertEquals(0, runs.get());
            assertEquals(1, executor.<Integer, RuntimeException>run(Transaction::attempt), "a writing call needs no such thing");
        }
    }

    @Test
    void aDatabaseThatIsNotThereIsReportedAtOnce() {
        PGSimpleDataSource elsewhere = database.plain("");
        elsewhere.setDatabaseName("no_such_database");
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(elsewhere).listener(events).build()) {
            TransactionFailedException failed =
                    assertThrows(TransactionFailedException.class, () -> executor.run(tx -> runs.incrementAndGet()));
            assertTrue(failed.getMessage().contains("3D000") && failed.getMessage().contains("no_such_database"), failed::getMessage);
            assertEquals(Phase.CONNECT, failed.failures().get(0).phase());
            assertEquals(1, failed.failures().size());
            assertEquals(0, runs.get());
        }
    }

    /** The value of a call that has sent nothing needs no COMMIT, and a null is a value. */
    @Test
    void aFunctionThatSendsNothingReturnsItsValue() {
        try (ConnectTransactRetry executor = executor("")) {
            AtomicInteger committed = new AtomicInteger();
            assertNull(executor.run(tx -> {
                tx.afterCommit(committed::incrementAndGet);
                return null;
            }));
            assertEquals(1, committed.get());
            assertNotNull(executor.run(Transaction::remaining));
        }
    }

    private static void rollback(Connection connection) {
        try {
            connection.rollback();
        } catch (SQLException e) {
            throw new IllegalStateException(e);
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
