package io.github.connecttransactretry.chaos;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.drill.WireRequest;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SqlTextTest {

    @Test
    void splitsAtSemicolons() {
        assertEquals(List.of("INSERT INTO t VALUES (1)", "COMMIT"), SqlText.split("INSERT INTO t VALUES (1); COMMIT"));
        assertEquals(List.of("COMMIT"), SqlText.split(" ;; COMMIT ;\n"));
        assertEquals(List.of(), SqlText.split("  "));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "SELECT '; COMMIT'", "SELECT 'it''s; COMMIT'", "SELECT \"; COMMIT\"", "SELECT 1 -- ; COMMIT",
        "SELECT /* ; /* ; */ COMMIT; */ 1", "DO $$ BEGIN; COMMIT; END $$", "DO $a_1$ ; $$ ; COMMIT $a_1$",
        "SELECT E'\\'; COMMIT'", "SELECT e'\\\\\\'; COMMIT'",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END"})
    void aSemicolonInsideIsNone(String statement) {
        assertEquals(List.of(statement), SqlText.split(statement));
        assertFalse(new WireRequest(1, 1, 1, SqlText.split(statement)).isCommit());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "SELECT 'a\\'; COMMIT", "SELECT $1; COMMIT", "SELECT a$b$c; COMMIT", "SELECT 'a' /* ; */; COMMIT", "SELECT name'\\'; COMMIT"})
    void aSemicolonOutsideIsOne(String statements) {
        assertEquals("COMMIT", SqlText.split(statements).get(1));
        assertTrue(new WireRequest(1, 1, 1, SqlText.split(statements)).isCommit());
    }

    @ParameterizedTest
    @ValueSource(strings = {"SELECT '", "SELECT \"", "SELECT /*", "SELECT $$", "SELECT E'\\", "$", "--", "/", "'"})
    void anUnfinishedTextEnds(String statement) {
        assertEquals(List.of(statement), SqlText.split(statement));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "commit and chain|COMMIT", "/* a COMMIT */ -- END \\n  SELECT 1|''", "/* x */ end|END", "(SELECT 1)|SELECT", "''|''", "'123'|''"})
    void findsTheFirstKeyword(String statement, String keyword) {
        assertEquals(keyword, SqlText.firstKeyword(statement));
    }

    @Test
    void aRequestKnowsWhatItDoes() {
        WireRequest whole = new WireRequest(1, 1, 1, List.of("begin", "INSERT INTO Ledger VALUES ($1)", "END"));

        assertTrue(whole.isCommit());
        assertTrue(whole.startsTransaction());
        assertTrue(whole.mentions("into ledger"));
        assertFalse(whole.mentions("into ledgers"));
        assertTrue(new WireRequest(1, 1, 1, List.of("START TRANSACTION")).startsTransaction());
        assertFalse(new WireRequest(1, 1, 1, List.of("ROLLBACK", "SELECT 'COMMIT'")).isCommit());
    }
}
