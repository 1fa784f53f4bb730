package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.postgres.PgDriverSupport;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.core.BaseConnection;

/** A function that ends the transaction behind the engine's back: what it did until then would be done again by a retry. */
@Tag("matrix")
class EndedTransactionTest {

    private static final String INSERT = "INSERT INTO effect VALUES ('by the text')";

    /** Every way to end a transaction by SQL, and every disguise that the gate is to see through. */
    private static final List<String> ENDINGS = List.of(
            "ROLLBACK", "COMMIT", "END", "ABORT", "commit work", "End Transaction;", "BEGIN", "START TRANSACTION",
            "PREPARE TRANSACTION 'p'", "prepare /* c */ transaction 'p'",
            "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "COMMIT; BEGIN", "COMMIT; " + INSERT,
            "/* c */ COMMIT", "/* a /* nested */ b */ COMMIT", "-- c\nCOMMIT", "-- c\rCOMMIT", ";COMMIT", "\t\n COMMIT",
            INSERT + "; commit", INSERT + "; /* c */ Commit; " + INSERT,
            "SELECT 'it''s'; COMMIT", "SELECT $q$;$q$; COMMIT", "SELECT E'\\''; COMMIT; --'");

    private static TestDatabase database;

    /** How the text is sent. */
    private enum Way {
        STATEMENT {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                try (Statement statement = connection.createStatement()) {
                    statement.execute(sql);
                }
            }
        },
        UPDATE {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                try (Statement statement = connection.createStatement()) {
                    statement.executeUpdate(sql, Statement.RETURN_GENERATED_KEYS);
                }
            }
        },
        PREPARED {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement(sql)) {
                    statement.execute();
                }
            }
        },
        CALL {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                try (PreparedStatement statement = connection.prepareCall(sql)) {
                    statement.execute();
                }
            }
        },
        BATCH {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                try (Statement statement = connection.createStatement()) {
                    statement.addBatch(INSERT);
                    statement.addBatch(sql);
                    statement.executeBatch();
                }
            }
        };

        abstract void send(Connection connection, String sql) throws SQLException;
    }

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(what text)");
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        database.execute("TRUNCATE effect");
    }

    @ParameterizedTest
    @ValueSource(strings = {"preferQueryMode=extended", "preferQueryMode=simple", "preferQueryMode=extendedCacheEverything",
        "autosave=always", "autosave=conservative", "autosave=always&preferQueryMode=simple"})
    void isRefusedUnsentAndNothingIsDoubled(String mode) throws SQLException {
        try (HikariDataSource pool = database.pool(1, mode);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
            for (String ending : ENDINGS) {
                for (Way way : Way.values()) {
                    assertRefused(executor, way, ending);
                }
            }
        }
        assertEquals(0, database.count("effect"), "something was committed");
        assertEquals(0, database.count("pg_prepared_xacts"));
    }

    private static void assertRefused(ConnectTransactRetry executor, Way way, String ending) {
        String what = way + " of " + ending;
        AtomicInteger runs = new AtomicInteger();
        SQLException passedOn = assertThrows(SQLException.class, () -> executor.run(tx -> {
            runs.incrementAndGet();
            Way.STATEMENT.send(tx.connection(), "INSERT INTO effect VALUES ('before')");
            way.send(tx.connection(), ending);
            return "as if committed";
        }), what);
        assertEquals("2D000", passedOn.getSQLState(), what);
        assertTrue(passedOn.getMessage().contains("return to commit"), passedOn::getMessage);
        TransactionRefusedException swallowed = assertThrows(TransactionRefusedException.class, () -> executor.run(tx -> {
            runs.incrementAndGet();
            assertThrows(SQLException.class, () -> way.send(tx.connection(), ending));
            Way.STATEMENT.send(tx.connection(), "INSERT INTO effect VALUES ('after')");
            return "as if committed";
        }), what);
        assertTrue(swallowed.getMessage().contains("rollbackOnly()"), swallowed::getMessage);
        assertInstanceOf(SQLException.class, swallowed.getCause(), what);
        assertEquals(1, swallowed.failures().size(), "the failed attempt is missing");
        assertEquals(2, runs.get(), what + " was repeated");
    }

    /** The text reads otherwise with that old setting, which the server reports. */
    @Test
    void literalsWithBackslashesAreReadAsTheServerReadsThem() throws SQLException {
        String off = "options=-c%20standard_conforming_strings=off%20-c%20escape_string_warning=off";
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain(off)).build()) {
            for (Way way : Way.values()) {
                assertRefused(executor, way, "SELECT '\\''; COMMIT; --'");
            }
            executor.execute(tx -> Way.STATEMENT.send(tx.connection(), "INSERT INTO effect VALUES ('\\'; COMMIT; --')"));
        }
        assertEquals("'; COMMIT; --", database.ask("SELECT string_agg(what, ',') FROM effect"));
    }

    /** As if the text had been split wrongly: what slips through the gate is seen by what it did. */
    @ParameterizedTest
    @CsvSource({"true, COMMIT, 1", "false, COMMIT, 1", "true, ROLLBACK, 0", "false, ROLLBACK, 0"})
    void whatSlipsThroughTheGateIsSeenByItsEffect(boolean swallowed, String ending, int committed) throws SQLException {
        AtomicInteger runs = new AtomicInteger();
        try (ConnectTransactRetry executor =
                ConnectTransactRetry.builder(database.plain("")).drivers(new Unsplitting(new PgDriverSupport())).build()) {
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> executor.run(tx -> {
                runs.incrementAndGet();
                Way.STATEMENT.send(tx.connection(), "INSERT INTO effect VALUES ('before')");
                SQLException atOnce = assertThrows(SQLException.class, () -> Way.STATEMENT.send(tx.connection(), ending));
                assertTrue(atOnce.getMessage().contains("ended the transaction"), atOnce::getMessage);
                if (swallowed) {
                    return "as if committed";
                }
                throw atOnce;
            }));
            assertTrue(refused.getMessage().contains("ended the transaction"), refused::getMessage);
        }
        assertEquals(1, runs.get());
        assertEquals(committed, database.count("effect"), "once at most, and by the function's own doing");
    }

    /** A driver that is blind for the ends of statements. */
    private record Unsplitting(DriverSupport sound) implements DriverSupport {

        @Override
        public Optional<PhysicalConnection> recognise(Connection connection) {
            return sound.recognise(connection);
        }

        @Override
        public boolean isServerReply(Throwable thrown) {
            return sound.isServerReply(thrown);
        }

        @Override
        public String serverRoutine(Throwable thrown) {
            return sound.serverRoutine(thrown);
        }

        @Override
        public List<String> split(String sql, boolean standardConforming) {
            return List.of();
        }
    }

    /** A retry would do again what the function has committed by itself. */
    @Test
    void whatEndedIsNotRepeatedWhateverTheFunctionThrows() throws SQLException {
        AtomicInteger runs = new AtomicInteger();
        SQLException conflict = new SQLException("as if it were a conflict", "40001");
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> executor.run(tx -> {
                runs.incrementAndGet();
                Way.STATEMENT.send(tx.connection(), "INSERT INTO effect VALUES ('before')");
                tx.connection().unwrap(BaseConnection.class).execSQLUpdate("COMMIT");
                throw conflict;
            }));
            assertSame(conflict, refused.getCause());
        }
        assertEquals(1, runs.get());
        assertEquals(1, database.count("effect"));
    }

    /** A limit that the docs name: past the guard, only the state after the function tells. */
    @ParameterizedTest
    @ValueSource(strings = {"COMMIT", "ROLLBACK"})
    void endedThroughUnwrapIsRefusedAfterTheFunction(String ending) throws SQLException {
        for (boolean rollbackOnly : new boolean[] {false, true}) {
            empty();
            AtomicInteger runs = new AtomicInteger();
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
                TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> executor.run(tx -> {
                    runs.incrementAndGet();
                    Way.STATEMENT.send(tx.connection(), "INSERT INTO effect VALUES ('before')");
                    tx.connection().unwrap(BaseConnection.class).execSQLUpdate(ending);
                    if (rollbackOnly) {
                        tx.rollbackOnly();
                    }
                    return "as if committed";
                }));
                assertTrue(refused.getMessage().contains("ended the transaction by SQL"), refused::getMessage);
                assertEquals(1, refused.failures().size());
            }
            assertEquals(1, runs.get());
            assertEquals(ending.equals("COMMIT") ? 1 : 0, database.count("effect"));
        }
    }
}
