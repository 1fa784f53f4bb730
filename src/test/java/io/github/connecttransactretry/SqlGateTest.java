package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.postgres.PgDriverSupport;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which text would end, restart or loosen the transaction. What the server does with it is EndedTransactionTest's matter. */
class SqlGateTest {

    private static final PgDriverSupport DRIVER = new PgDriverSupport();

    private static String refusal(String sql) {
        return SqlGate.refusal(sql, DRIVER, true, false);
    }

    @ParameterizedTest
    @ValueSource(strings = {"COMMIT", "commit;", "Commit Work", "COMMIT AND CHAIN", "COMMIT PREPARED 'x'", "END", "end transaction",
        "ROLLBACK", "ROLLBACK WORK", "ROLLBACK TRANSACTION", "ROLLBACK AND CHAIN", "ROLLBACK PREPARED 'x'", "ABORT", "BEGIN",
        "BEGIN ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION", "PREPARE TRANSACTION 'x'", "prepare\n\ttransaction 'x'",
        "prepare--c\ntransaction 'x'", "SELECT 1; COMMIT", ";;COMMIT", "SELECT ';'; COMMIT; SELECT 1", "/**/COMMIT",
        "/* /* */ ; */COMMIT", "--\nCOMMIT", "--\rCOMMIT", "-- a\n-- b\n/* c */ COMMIT", "\u000bCOMMIT", "commit/**/", "COMMIT--",
        "SELECT $$;$$;COMMIT", "SELECT $a$ $b$ $a$;COMMIT", "SELECT \";\"\"\";COMMIT", "SELECT E'\\'';COMMIT",
        "ROLLBACK/*TO*/", "ROLLBACK -- TO s", "ROLLBACK WORK AND CHAIN"})
    void refuses(String sql) {
        String reason = refusal(sql);
        assertNotNull(reason, sql);
        assertTrue(reason.matches("(COMMIT|END|ROLLBACK|ABORT|BEGIN|START|PREPARE) is the engine's to send: .*savepoint.*"), reason);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ";", " ", "SELECT 1", "SELECT 'COMMIT'", "SELECT ';COMMIT'", "SELECT 1 -- ; COMMIT",
        "SELECT 1 /* ; COMMIT */", "-- COMMIT", "/* COMMIT */", "/* /* */ COMMIT */ SELECT 1", "SELECT $$;COMMIT;$$",
        "SELECT $a$;COMMIT;$a$", "SELECT \";COMMIT\"",
        "SELECT E'\\';COMMIT;'", "SELECT CASE WHEN 1=1 THEN 2 END", "SELECT 1 AS end", "INSERT INTO commit VALUES (1)", "TABLE abort",
        "ROLLBACK TO s", "rollback to savepoint s", "ROLLBACK WORK TO s", "ROLLBACK TRANSACTION TO SAVEPOINT s", "ROLLBACK/**/TO s",
        "ROLLBACK--\nTO s", "SAVEPOINT commit", "RELEASE commit", "PREPARE p AS SELECT 1", "PREPARE transactions AS SELECT 1",
        "EXECUTE commit", "DEALLOCATE prepare", "SET TRANSACTION READ WRITE", "DO $$ BEGIN NULL; END $$", "CALL commit()",
        "DECLARE c CURSOR FOR SELECT 1", "COMMENT ON TABLE t IS 'begin; commit'", "EXPLAIN SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END"})
    void allows(String sql) {
        assertNull(refusal(sql), sql);
    }

    /** A text that ends in the middle of a comment is the server's to refuse, but must not hang or throw here. */
    @ParameterizedTest
    @ValueSource(strings = {"/* COMMIT", "/* /* COMMIT */", "/*/", "-- COMMIT", "'COMMIT", "$$COMMIT", "\"COMMIT", "COMMIT /* /*"})
    void survivesTextsThatEndTooEarly(String sql) {
        String reason = refusal(sql);
        assertEquals(sql.startsWith("COMMIT"), reason != null);
    }

    @Test
    void keywordsDoNotDependOnTheLocale() {
        Locale before = Locale.getDefault();
        Locale.setDefault(Locale.forLanguageTag("tr"));
        try {
            for (String sql : List.of("commit", "begin", "start transaction", "prepare transaction 'x'")) {
                assertNotNull(refusal(sql), sql);
            }
            assertNull(refusal("rollback transaction to s"));
        } finally {
            Locale.setDefault(before);
        }
    }

    /** The same text is two statements or one, by a setting that the server reports. */
    @Test
    void literalsAreReadAsTheSessionReadsThem() {
        String sql = "SELECT '\\''; COMMIT; --'";
        assertNull(SqlGate.refusal(sql, DRIVER, true, false));
        assertNotNull(SqlGate.refusal(sql, DRIVER, false, false));
        String other = "SELECT '\\'; COMMIT; --'";
        assertNotNull(SqlGate.refusal(other, DRIVER, true, false));
        assertNull(SqlGate.refusal(other, DRIVER, false, false));
    }

    @ParameterizedTest
    @ValueSource(strings = {"SET TRANSACTION READ WRITE", "set local transaction_read_only = off", "SET transaction_read_only TO false",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SELECT 1; SET TRANSACTION READ WRITE",
        "/* c */ SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ\nWRITE", "SET TRANSACTION READ/**/WRITE",
        "RESET transaction_read_only"})
    void readOnlyCallsStayReadOnly(String sql) {
        String reason = SqlGate.refusal(sql, DRIVER, true, true);
        assertNotNull(reason, sql);
        assertTrue(reason.contains("ask for a call that may write"), reason);
        assertNull(SqlGate.refusal(sql, DRIVER, true, false), "a writing call may say so");
    }

    @ParameterizedTest
    @ValueSource(strings = {"SHOW transaction_read_only", "SELECT 'read write'", "SELECT current_setting('transaction_read_only')",
        "SET TRANSACTION READ ONLY", "SET LOCAL statement_timeout = 5", "SELECT \"read\", \"write\" FROM t"})
    void readOnlyCallsMayAskAndNarrow(String sql) {
        assertNull(SqlGate.refusal(sql, DRIVER, true, true), sql);
    }

    @Test
    void readOnlyCallsMayNotEndTheTransactionEither() {
        assertNotNull(SqlGate.refusal("COMMIT", DRIVER, true, true));
    }
}
