package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptStarted;
import io.github.connecttransactretry.observe.TransactionEvent.Evicted;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A mistake in the function, kept in a field: it is reported, not taken for a lost connection and repeated until the deadline. */
class KeptConnectionTest {

    private static TestDatabase database;
    private static HikariDataSource pool;
    private final RecordedEvents events = new RecordedEvents();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(what text)");
        pool = database.pool(1, "");
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

    /** What is kept beyond its attempt, and used in another. */
    enum Kept {
        CONNECTION, PREPARED_STATEMENT, RESULT_SET;

        private AutoCloseable of(Connection connection) throws SQLException {
            switch (this) {
                case CONNECTION:
                    return connection;
                case PREPARED_STATEMENT:
                    return connection.prepareStatement("INSERT INTO effect VALUES ('by a statement of before')");
                default:
                    return connection.createStatement().executeQuery("SELECT generate_series(1, 10)");
            }
        }

        private void use(AutoCloseable kept) throws SQLException {
            switch (this) {
                case CONNECTION:
                    ((Connection) kept).createStatement().execute("INSERT INTO effect VALUES ('by a connection of before')");
                    break;
                case PREPARED_STATEMENT:
                    ((PreparedStatement) kept).execute();
                    break;
                default:
                    ((ResultSet) kept).next();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void ofAnEarlierCall(Kept what) throws SQLException {
        AtomicReference<AutoCloseable> kept = new AtomicReference<>();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).listener(events).build()) {
            int before = executor.run(tx -> {
                kept.set(what.of(tx.connection()));
                return pid(tx.connection());
            });
            SQLException mistake = assertThrows(SQLException.class, () -> executor.execute(tx -> {
                tx.connection().createStatement().execute("INSERT INTO effect VALUES ('by the connection of now')");
                what.use(kept.get());
            }));
            assertIsTheMistake(mistake);
            assertEquals(2, events.of(AttemptStarted.class).size(), "it was retried");
            int after = executor.run(tx -> pid(tx.connection()));
            assertEquals(before, after, "the connection of the pool was well");
        }
        assertEquals(0, events.of(Evicted.class).size());
        assertEquals(0, database.count("effect"));
    }

    /** A field that only the first attempt fills: the retry uses what was given back to the pool since. */
    @ParameterizedTest
    @EnumSource
    void ofAnEarlierAttempt(Kept what) throws SQLException {
        AtomicReference<AutoCloseable> kept = new AtomicReference<>();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).listener(events).build()) {
            SQLException mistake = assertThrows(SQLException.class, () -> executor.execute(tx -> {
                if (kept.get() == null) {
                    kept.set(what.of(tx.connection()));
                    throw new SQLException("go again", "40001");
                }
                what.use(kept.get());
            }));
            assertIsTheMistake(mistake);
            assertEquals(2, events.of(AttemptStarted.class).size());
        }
        assertEquals(0, events.of(Evicted.class).size());
        assertEquals(0, database.count("effect"));
    }

    /** A function that does not pass the mistake on has left its own transaction whole. */
    @Test
    void swallowedItHarmsNobody() throws SQLException {
        AtomicReference<Connection> kept = new AtomicReference<>();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).listener(events).build()) {
            executor.execute(tx -> kept.set(tx.connection()));
            executor.execute(tx -> {
                tx.connection().createStatement().execute("INSERT INTO effect VALUES ('by the connection of now')");
                assertIsTheMistake(assertThrows(SQLException.class, () -> Kept.CONNECTION.use(kept.get())));
            });
        }
        assertEquals(1, database.count("effect"));
    }

    private static void assertIsTheMistake(SQLException mistake) {
        assertEquals("25000", mistake.getSQLState());
        assertTrue(mistake.getMessage().contains("only inside the function"), mistake::getMessage);
    }

    private static int pid(Connection connection) throws SQLException {
        try (ResultSet row = connection.createStatement().executeQuery("SELECT pg_backend_pid()")) {
            row.next();
            return row.getInt(1);
        }
    }
}
