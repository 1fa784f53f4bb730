package io.github.connecttransactretry.ground;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The table that a statement begins with, and no answer rather than a wrong one. */
class TargetTableTest {

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "UPDATE account SET n = 1 | account",
        "update ONLY Account set n = 1 | account",
        "/* UPDATE x */ UPDATE \"Odd \"\" name\" SET n = 1 | Odd \" name",
        "UPDATE public.account SET n = 1 | account",
        "UPDATE bank . \"Account\" SET n = 1 | bank.Account",
        "DELETE FROM ONLY account WHERE id = 1; | account",
        "INSERT INTO account(id) VALUES ('DELETE FROM other') | account",
        "MERGE INTO account USING x ON true WHEN MATCHED THEN DELETE | account",
        "LOCK TABLE account | account",
        "LOCK account IN SHARE MODE | account",
        "SELECT n FROM account WHERE id = 1 FOR UPDATE | account",
        "SELECT * FROM account | account",
        "SELECT a IS DISTINCT FROM b, c FROM account | account",
        "SELECT a IS NOT DISTINCT  FROM b FROM account | account",
        "SELECT 1 FROM ONLY \"public\".\"account\" x FOR KEY SHARE OF x | account",
        "SELECT extract(year FROM born), count(*) FROM person | person",
        "UPDATE konto_ü SET n = 1 | konto_ü"})
    void isTheOneThatItWritesOrLocks(String sql, String table) {
        assertEquals(table, TargetTable.of(sql));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "", "COMMIT", "WITH x AS (SELECT 1) UPDATE account SET n = 1", "UPDATE a SET n = 1; UPDATE b SET n = 1",
        "SELECT bump(1)", "SELECT * FROM generate_series(1, 2)", "SELECT * FROM (SELECT 1) x", "SELECT 'x FROM y'",
        "SELECT nested(inner(1) FROM a) FROM b", "TABLE account", "UPDATED account", "-- UPDATE account SET n = 1",
        "CALL update_account()", "SELECT n -- FROM old\n FROM account", "SELECT n /* FROM old */ FROM account",
        "SELECT count(/* FROM old */ n) FROM account", "SELECT a IS DISTINCT FROM b", "/* open UPDATE account"})
    void whatDoesNotSayItPlainlySaysNothing(String sql) {
        assertNull(TargetTable.of(sql));
    }

    @Test
    void longStatementsAreNoTrouble() {
        assertNull(TargetTable.of(null));
        assertEquals("account", TargetTable.of("UPDATE account SET n = " + "(".repeat(5_000_000)));
        assertNull(TargetTable.of("SELECT " + "a, ".repeat(1_000_000) + " FROM account"));
        assertNull(TargetTable.of("SELECT " + "f(a), ".repeat(100) + "'x' FROM account"));
        assertNull(TargetTable.of("/*".repeat(1_000_000)));
        assertNull(TargetTable.of("SELECT " + "(".repeat(1_000_000)));
    }
}
