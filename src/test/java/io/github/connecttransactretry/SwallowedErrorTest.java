package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.AttemptFailure;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.postgresql.core.BaseConnection;

/** pgjdbc's commit() on a failed transaction returns as if nothing had happened: what a function swallows must not pass for committed. */
class SwallowedErrorTest {

    private static final String SERIALIZATION_FAILURE =
            "DO $$ BEGIN RAISE EXCEPTION 'made for the test' USING ERRCODE = '40001'; END $$";
    private static final String UNIQUE_VIOLATION = "INSERT INTO taken VALUES (1)";

    private static TestDatabase database;

    /** How the function reaches the server. */
    private enum Way {
        STATEMENT {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                try (Statement statement = connection.createStatement()) {
                    statement.execute(sql);
                }
            }
        },
        PREPARED {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                try (PreparedStatement statement = connection.prepareStatement(sql)) {
                    statement.executeUpdate();
                }
            }
        },
        BATCH {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                try (Statement statement = connection.createStatement()) {
                    statement.addBatch("SELECT 1");
                    statement.addBatch(sql);
                    statement.executeBatch();
                }
            }
        },
        /** Past the guard: only the server and the driver know. */
        UNWRAPPED {
            @Override
            void send(Connection connection, String sql) throws SQLException {
                connection.unwrap(BaseConnection.class).execSQLUpdate(sql);
            }
        };

        abstract void send(Connection connection, String sql) throws SQLException;

        void sendAndSwallow(Connection connection, String sql) {
            assertThrows(SQLException.class, () -> send(connection, sql), "the server let it pass: " + sql);
        }
    }

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(attempt int)", "CREATE TABLE taken(id int PRIMARY KEY)", "INSERT INTO taken VALUES (1)");
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
    @EnumSource
    void swallowedSerializationFailureIsRetried(Way way) throws SQLException {
        AtomicInteger runs = new AtomicInteger();
        for (String mode : new String[] {"", "preferQueryMode=simple", "autosave=conservative"}) {
            runs.set(0);
            empty();
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain(mode)).build()) {
                int value = executor.run(tx -> {
                    runs.incrementAndGet();
                    insert(tx);
                    if (tx.attempt() == 1) {
                        way.sendAndSwallow(tx.connection(), SERIALIZATION_FAILURE);
                    }
                    return tx.attempt();
                });
                assertEquals(2, value, "not the value of the attempt that was committed, " + mode);
                assertEquals(2, runs.get());
                assertEquals("2", database.ask("SELECT string_agg(attempt::text, ',') FROM effect"), mode);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void swallowedUniqueViolationIsReported(Way way) throws SQLException {
        for (String mode : new String[] {"", "preferQueryMode=simple", "autosave=conservative"}) {
            AtomicInteger runs = new AtomicInteger();
            try (HikariDataSource pool = database.pool(1, mode);
                    ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
                TransactionFailedException reported = assertThrows(TransactionFailedException.class, () -> executor.run(tx -> {
                    runs.incrementAndGet();
                    insert(tx);
                    way.sendAndSwallow(tx.connection(), UNIQUE_VIOLATION);
                    return "as if committed";
                }), mode);
                assertEquals("23505", ((SQLException) reported.getCause()).getSQLState(), mode);
                assertTrue(reported.getMessage().contains("23505") && reported.getMessage().contains("as if it had not"),
                        reported::getMessage);
                assertEquals(1, runs.get());
                assertEquals(0, database.count("effect"), mode);
                AttemptFailure failure = reported.failures().get(0);
                assertEquals(1, reported.failures().size());
                assertEquals(Phase.BODY, failure.phase());
                assertEquals(Verdict.PERMANENT, failure.verdict());
                assertEquals("23505", failure.sqlState());
                assertEquals(1, executor.<Integer, SQLException>run(this::insertOne), "the pool's only connection was not given back");
                empty();
            }
        }
    }

    @Test
    void laterErrorsDoNotHideTheFirst() {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            TransactionFailedException reported = assertThrows(TransactionFailedException.class, () -> executor.run(tx -> {
                Way.STATEMENT.sendAndSwallow(tx.connection(), UNIQUE_VIOLATION);
                Way.STATEMENT.sendAndSwallow(tx.connection(), "SELECT 1");
                Way.STATEMENT.sendAndSwallow(tx.connection(), "SELECT nonsense");
                return "as if committed";
            }));
            assertEquals("23505", ((SQLException) reported.getCause()).getSQLState());
        }
    }

    /** The driver's own savepoint undoes the statement, not the conflict; the function's own is the function's decision. */
    @ParameterizedTest
    @CsvSource({"false,2", "true,1"})
    void aSerializationFailureThatAutosaveHidIsRetriedAllTheSame(boolean ownSavepoint, int attempts) throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("autosave=always")).build()) {
            int value = executor.run(tx -> {
                insert(tx);
                Savepoint before = ownSavepoint ? tx.connection().setSavepoint() : null;
                if (tx.attempt() == 1) {
                    Way.STATEMENT.sendAndSwallow(tx.connection(), SERIALIZATION_FAILURE);
                }
                if (before != null) {
                    tx.connection().rollback(before);
                }
                return tx.attempt();
            });
            assertEquals(attempts, value);
            assertEquals(Integer.toString(attempts), database.ask("SELECT string_agg(attempt::text, ',') FROM effect"));
        }
    }

    /** What the user's own savepoint has undone is nobody's business; neither is what autosave=always has. */
    @ParameterizedTest
    @CsvSource({"'',SAVEPOINT", "preferQueryMode=simple,SAVEPOINT", "autosave=always,NONE", "autosave=conservative,SAVEPOINT"})
    void anErrorThatWasRolledBackToASavepointIsForgotten(String mode, String by) throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain(mode)).build()) {
            int value = executor.run(tx -> {
                insert(tx);
                Savepoint before = by.equals("SAVEPOINT") ? tx.connection().setSavepoint() : null;
                Way.STATEMENT.sendAndSwallow(tx.connection(), UNIQUE_VIOLATION);
                if (before != null) {
                    tx.connection().rollback(before);
                }
                insert(tx);
                return tx.attempt();
            });
            assertEquals(1, value);
            assertEquals(2, database.count("effect"));
        }
    }

    @Test
    void rollingBackByHandAfterASerializationFailureIsRetriedWhateverIsRethrown() throws SQLException {
        AtomicInteger runs = new AtomicInteger();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            for (int variant = 0; variant < 3; variant++) {
                int which = variant;
                runs.set(0);
                empty();
                executor.execute(tx -> {
                    runs.incrementAndGet();
                    insert(tx);
                    if (tx.attempt() == 1) {
                        failAndRollBackByHand(tx, which);
                    }
                });
                assertEquals(2, runs.get(), "variant " + which);
                assertEquals("2", database.ask("SELECT string_agg(attempt::text, ',') FROM effect"));
            }
        }
    }

    /** As programs do that were written for plain JDBC: the refusal of rollback() hides the error, or the error is kept, or all is lost. */
    private static void failAndRollBackByHand(Transaction tx, int variant) throws SQLException {
        try {
            Way.STATEMENT.send(tx.connection(), SERIALIZATION_FAILURE);
        } catch (SQLException conflict) {
            if (variant == 0) {
                tx.connection().rollback();
            }
            SQLException refused = assertThrows(SQLException.class, () -> tx.connection().rollback());
            if (variant == 1) {
                throw new IllegalStateException("wrapped", refused);
            }
        }
    }

    /** The refused rollback() was meant for all of it; the savepoint that follows does not make it good. */
    @Test
    void aRefusedRollbackIsNotForgottenWithTheErrorBeforeIt() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> executor.run(tx -> {
                insert(tx);
                Savepoint before = tx.connection().setSavepoint();
                Way.STATEMENT.sendAndSwallow(tx.connection(), UNIQUE_VIOLATION);
                assertThrows(SQLException.class, () -> tx.connection().rollback());
                tx.connection().rollback(before);
                return "as if committed";
            }));
            assertTrue(refused.getMessage().contains("rollback()"), refused::getMessage);
            assertEquals(0, database.count("effect"));
        }
    }

    private int insertOne(Transaction tx) throws SQLException {
        insert(tx);
        return 1;
    }

    private static void insert(Transaction tx) throws SQLException {
        try (PreparedStatement insert = tx.connection().prepareStatement("INSERT INTO effect VALUES (?)")) {
            insert.setInt(1, tx.attempt());
            insert.executeUpdate();
        }
    }
}
