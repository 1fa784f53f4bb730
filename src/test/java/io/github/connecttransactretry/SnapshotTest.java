package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * LOCK TABLE, then SELECT: under REPEATABLE READ the snapshot is taken by the SELECT, so that a program by hand sees what was
 * committed while it waited for the lock. The engine must not have asked anything before that fixes the snapshot earlier.
 */
class SnapshotTest {

    private static final Duration BOUND = Duration.ofSeconds(20);

    private static TestDatabase database;

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE counter(n int)", "INSERT INTO counter VALUES (1)");
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    @ParameterizedTest
    @EnumSource(names = {"REPEATABLE_READ", "SERIALIZABLE"})
    void theEngineSeesWhatHandWrittenJdbcSees(Isolation isolation) throws Exception {
        int byHand = whileAnotherCommits(() -> byHand(isolation));
        assertEquals(newest(), byHand, "this server's snapshots are not what the test is about");
        int byEngine = whileAnotherCommits(() -> byEngine(TransactionOptions.defaults().withIsolation(isolation)));
        assertEquals(newest(), byEngine);
    }

    /** The price that the docstring of withEvidenceAtBegin names. */
    @ParameterizedTest
    @EnumSource(names = {"REPEATABLE_READ", "SERIALIZABLE"})
    void evidenceAtBeginFixesTheSnapshot(Isolation isolation) throws Exception {
        int byEngine = whileAnotherCommits(
                () -> byEngine(TransactionOptions.defaults().withIsolation(isolation).withEvidenceAtBegin()));
        assertEquals(newest() - 1, byEngine);
    }

    @Test
    void evidenceAtBeginFixesNothingUnderReadCommitted() throws Exception {
        int byEngine = whileAnotherCommits(() -> byEngine(TransactionOptions.readCommitted().withEvidenceAtBegin()));
        assertEquals(newest(), byEngine);
    }

    private static int newest() throws SQLException {
        return Integer.parseInt(database.ask("SELECT max(n) FROM counter"));
    }

    /** Runs the reader until it waits for the lock, then commits a higher number and lets it go on. */
    private static int whileAnotherCommits(Callable<Integer> reader) throws Exception {
        FutureTask<Integer> reading = new FutureTask<>(reader);
        try (Connection other = database.server().connect(); Statement statement = other.createStatement()) {
            other.setAutoCommit(false);
            statement.execute("LOCK TABLE counter IN ACCESS EXCLUSIVE MODE");
            statement.execute("INSERT INTO counter SELECT max(n) + 1 FROM counter");
            Thread thread = new Thread(reading, "reader");
            thread.start();
            Await.until("the reader to wait for the lock", BOUND, () -> database.ask(
                    "SELECT count(*) FROM pg_locks WHERE relation = 'counter'::regclass AND NOT granted").equals("1"));
            other.commit();
        }
        return reading.get(BOUND.toSeconds(), TimeUnit.SECONDS);
    }

    private static int byHand(Isolation isolation) throws SQLException {
        try (Connection connection = database.server().connect()) {
            connection.setTransactionIsolation(isolation == Isolation.SERIALIZABLE
                    ? Connection.TRANSACTION_SERIALIZABLE : Connection.TRANSACTION_REPEATABLE_READ);
            connection.setAutoCommit(false);
            int seen = lockAndRead(connection);
            connection.commit();
            return seen;
        }
    }

    private static int byEngine(TransactionOptions options) throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            return executor.run(options, tx -> {
                assertEquals(1, tx.attempt());
                return lockAndRead(tx.connection());
            });
        }
    }

    private static int lockAndRead(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("LOCK TABLE counter IN SHARE ROW EXCLUSIVE MODE");
            try (ResultSet row = statement.executeQuery("SELECT max(n) FROM counter")) {
                row.next();
                return row.getInt(1);
            }
        }
    }
}
