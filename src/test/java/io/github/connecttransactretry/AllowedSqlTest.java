package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.connecttransactretry.fixtures.TestDatabase;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

/** What only looks like the end of a transaction, or is the user's own business, goes through and is committed. */
class AllowedSqlTest {

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

    @ParameterizedTest
    @ValueSource(strings = {"", "preferQueryMode=simple", "autosave=always", "autosave=conservative"})
    void harmlessTextsWithSuspectWordsAreCommitted(String mode) throws SQLException {
        List<String> harmless = List.of(
                "INSERT INTO effect VALUES (';commit')",
                "INSERT INTO effect VALUES ('it''s;COMMIT;')",
                "INSERT INTO effect VALUES ($q$;COMMIT;$q$)",
                "INSERT INTO effect VALUES (E'\\';COMMIT;')",
                "INSERT INTO effect /* ; COMMIT; */ VALUES ('c') -- ; COMMIT",
                "INSERT INTO effect SELECT CASE WHEN true THEN 'a' ELSE 'b' END; SELECT 1",
                "CREATE TABLE IF NOT EXISTS \"commit\"(\"end\" int); INSERT INTO effect VALUES ('two')",
                "DO $$ BEGIN INSERT INTO effect VALUES ('do'); END $$",
                "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$"
                        + " BEGIN INSERT INTO effect VALUES ('COMMIT; in a body'); RETURN 1; END; $$",
                "SELECT f()",
                "CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS $body$ BEGIN PERFORM 1; COMMIT; END $body$",
                "PREPARE q AS SELECT 1", "EXECUTE q", "DEALLOCATE q",
                "SAVEPOINT s", "ROLLBACK TO s", "ROLLBACK TO SAVEPOINT s", "ROLLBACK WORK TO SAVEPOINT s",
                "rollback /* c */ transaction -- d\n to s", "RELEASE s",
                "SET LOCAL statement_timeout = '10s'");
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain(mode)).build()) {
            int attempts = executor.run(tx -> {
                for (String sql : harmless) {
                    execute(tx.connection(), sql);
                }
                return tx.attempt();
            });
            assertEquals(1, attempts);
        }
        assertEquals(9, database.count("effect"));
        assertEquals("COMMIT; in a body", database.ask("SELECT what FROM effect WHERE what LIKE 'COMMIT%'"));
    }

    /** BEGIN ATOMIC ... END came with PostgreSQL 14; to an older server it is no SQL, which only the server may say. */
    @Test
    void aFunctionWithAStandardSqlBodyIsCommitted() throws SQLException {
        String create = "CREATE FUNCTION atomic() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END";
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            if (database.server().majorVersion() < 14) {
                SQLException unknown = assertThrows(SQLException.class, () -> executor.execute(tx -> execute(tx.connection(), create)));
                assertEquals("42601", unknown.getSQLState());
                return;
            }
            executor.execute(tx -> execute(tx.connection(), create));
        }
        assertEquals("2", database.ask("SELECT atomic()"));
    }

    @Test
    void jdbcSavepointsAreTheUsersOwn() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            executor.execute(tx -> {
                Savepoint first = tx.connection().setSavepoint();
                execute(tx.connection(), "INSERT INTO effect VALUES ('kept')");
                Savepoint second = tx.connection().setSavepoint("second");
                execute(tx.connection(), "INSERT INTO effect VALUES ('undone')");
                tx.connection().rollback(second);
                tx.connection().releaseSavepoint(first);
            });
        }
        assertEquals("kept", database.ask("SELECT string_agg(what, ',') FROM effect"));
    }

    @Test
    void copyThroughTheDriversOwnConnectionIsCommitted() throws SQLException, IOException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.pool(1, "")).build()) {
            long rows = executor.run(tx -> {
                PGConnection own = tx.connection().unwrap(PGConnection.class);
                try {
                    return own.getCopyAPI().copyIn("COPY effect FROM STDIN", new StringReader("a\nb\nc\n"));
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            });
            assertEquals(3, rows);
        }
        assertEquals(3, database.count("effect"));
    }

    @Test
    void aLargeObjectIsCommitted() throws SQLException {
        byte[] content = "large enough".getBytes(StandardCharsets.UTF_8);
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            long oid = executor.run(tx -> {
                LargeObjectManager objects = tx.connection().unwrap(PGConnection.class).getLargeObjectAPI();
                long made = objects.createLO(LargeObjectManager.READWRITE);
                try (LargeObject object = objects.open(made, LargeObjectManager.WRITE)) {
                    object.write(content);
                }
                return made;
            });
            byte[] read = executor.run(TransactionOptions.readOnly(), tx -> {
                try (LargeObject object = tx.connection().unwrap(PGConnection.class).getLargeObjectAPI()
                        .open(oid, LargeObjectManager.READ)) {
                    return object.read(100);
                }
            });
            assertArrayEquals(content, read);
        }
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
