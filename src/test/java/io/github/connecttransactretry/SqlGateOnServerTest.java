package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.fixtures.TestDatabase;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** SQL whose meaning lies with the server: what hides the end of a transaction, or makes a read-only call writable. */
@Tag("matrix")
class SqlGateOnServerTest {

    /** Three statements or, to who takes a backslash for a plain character, one with an odd literal. */
    private static final String BY_BACKSLASH = "INSERT INTO effect VALUES ('a\\''); COMMIT AND CHAIN;"
            + " INSERT INTO effect VALUES ('b') --')";

    private static TestDatabase database;

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

    @Test
    void backslashesQuoteWhereTheSessionSaysSo() throws SQLException {
        refusesCommit("options=-c%20standard_conforming_strings=off", BY_BACKSLASH);
        refusesCommit("", "SET LOCAL standard_conforming_strings = off", BY_BACKSLASH);
    }

    @Test
    void backslashesArePlainCharactersOtherwise() throws SQLException {
        String one = "INSERT INTO effect SELECT 'a\\' UNION ALL SELECT '; COMMIT AND CHAIN; --'";
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            executor.execute(tx -> execute(tx.connection(), one));
        }
        assertEquals(2, database.count("effect"));
    }

    /** PostgreSQL ends a line comment at a carriage return as well (scan.l, "non_newline"). */
    @ParameterizedTest
    @ValueSource(strings = {"-- x\rCOMMIT AND CHAIN", "SELECT 1; -- x\rCOMMIT AND CHAIN; SELECT 2"})
    void aLineCommentEndsAtACarriageReturn(String ending) throws SQLException {
        refusesCommit("", ending);
    }

    /** Some versions refuse RESET of it by themselves, others let it through. */
    @ParameterizedTest
    @ValueSource(strings = {"RESET transaction_read_only", "reset /* it */ Transaction_Read_Only",
        "SELECT; RESET transaction_read_only", "SET transaction_read_only = off", "SET LOCAL transaction_read_only TO off",
        "SET TRANSACTION READ WRITE", "SET TRANSACTION READ/**/WRITE", "SET TRANSACTION READ -- as was\r WRITE",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"})
    void aReadOnlyCallIsNotMadeWritable(String widening) throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            SQLException refused = assertThrows(SQLException.class, () -> executor.execute(TransactionOptions.readOnly(), tx -> {
                execute(tx.connection(), widening);
                execute(tx.connection(), "INSERT INTO effect VALUES ('read-only')");
            }));
            assertEquals("2D000", refused.getSQLState());
            assertTrue(refused.getMessage().contains("read-only call"), refused::getMessage);
        }
        assertEquals(0, database.count("effect"));
    }

    /** Statements of which the server itself says that it is too late, or that only speak of it. */
    @Test
    void aReadOnlyCallMaySpeakOfIt() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            executor.execute(TransactionOptions.readOnly(), tx -> {
                execute(tx.connection(), "SHOW transaction_read_only");
                execute(tx.connection(), "SELECT 'to read and to write'");
                execute(tx.connection(), "SET LOCAL application_name = 'reader'");
            });
            for (String late : new String[] {"SELECT set_config('transaction_read_only', 'off', true)",
                "DO $$ BEGIN SET TRANSACTION READ WRITE; END $$"}) {
                assertThrows(SQLException.class, () -> executor.execute(TransactionOptions.readOnly(), tx -> {
                    execute(tx.connection(), late);
                    execute(tx.connection(), "INSERT INTO effect VALUES ('read-only')");
                }), late);
            }
        }
        assertEquals(0, database.count("effect"));
    }

    private static void refusesCommit(String parameters, String... statements) throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain(parameters)).build()) {
            SQLException refused = assertThrows(SQLException.class, () -> executor.execute(tx -> {
                execute(tx.connection(), "INSERT INTO effect VALUES ('before')");
                for (String sql : statements) {
                    execute(tx.connection(), sql);
                }
            }));
            assertEquals("2D000", refused.getSQLState());
            assertTrue(refused.getMessage().startsWith("COMMIT"), refused::getMessage);
        }
        assertEquals(0, database.count("effect"), "something was committed");
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
