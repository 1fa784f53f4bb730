package io.github.connecttransactretry.postgres;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is read from texts that a server translates, and what is left alone. English and German ones are as servers said them. */
class ServerConflictTest {

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "while updating tuple (0,10) in relation \"account\" | account",
        "while locking tuple (131072,7) in relation \"Odd \" account\" | Odd \" account",
        "while inserting index tuple (0,16) in relation \"account_pkey\" | account_pkey",
        "beim Aktualisieren von Tupel (0,10) in Relation »account« | account",
        "lors de la mise à jour de la ligne (0,1) dans la relation « account » | account",
        "при изменении кортежа (0,1) в отношении \"account\" | account",
        "リレーション\"account\"のタプル(0,1)の更新中 | account",
        "SQL statement \"UPDATE account SET n = n + 1 WHERE id = i\" | account",
        "SQL-Anweisung »UPDATE account SET n = n + 1 WHERE id = i« | account",
        "SQL statement \"SELECT 1 FROM ONLY \"public\".\"account\" x WHERE true FOR KEY SHARE OF x\" | account"})
    void theTableIsFoundInAnyLanguage(String context, String table) {
        assertEquals(table, ServerConflict.fromContext(context));
        assertEquals(table, ServerConflict.fromContext(context + "\nPL/pgSQL function bump(integer) line 1 at SQL statement"));
    }

    /** Data must never be taken for a name. */
    @ParameterizedTest
    @ValueSource(strings = {
        "SQL statement \"SELECT 1, (1,2), '4111 1111'\"",
        "SQL statement \"SELECT '4111 \"1111\"', (1,2)",
        "SQL statement \"VALUES ('4111', (1,2))\"",
        "COPY account, line 3: \"UPDATE secret\"",
        "COPY account, line 3, column card: \"4111\"",
        "PL/pgSQL function bump(integer) line 1 at RAISE",
        "while updating tuple (0,1) in relation account",
        "while updating tuple (0,1) in relation \"0123456789012345678901234567890123456789012345678901234567890123\"",
        "", "\n", "\"\""})
    void whatLooksOtherwiseIsNotUnderstood(String context) {
        assertNull(ServerConflict.fromContext(context));
    }

    @Test
    void theBlockerIsTheLastNumberOfTheFirstLineOfARing() {
        assertEquals(12, ServerConflict.blocker("Process 11 waits for ShareLock on transaction 755; blocked by process 12.\n"
                + "Process 12 waits for ShareLock on transaction 756; blocked by process 11."));
        assertEquals(11995, ServerConflict.blocker("Prozess 12000 wartet auf ShareLock-Sperre auf Transaktion 741; blockiert von"
                + " Prozess 11995.\nProzess 11995 wartet auf ShareLock-Sperre auf Transaktion 742; blockiert von Prozess 12000."));
        assertEquals(2, ServerConflict.blocker("1 x 9 y 2.\n2 x 9 y 3.\n3 x 9 y 1."));
    }

    /** Another order of words, a line cut off, or something else altogether. */
    @ParameterizedTest
    @ValueSource(strings = {"", "no number", "Process 11 waits", "11 9 12.\n12 9 13.", "blocked by 12: 11 for 755\nblocked by 11: 12 for 756",
        "11 9 12.\n12 9 11.\nand 1", "99999999999 1 99999999999"})
    void whatIsNoRingNamesNobody(String detail) {
        assertNull(ServerConflict.blocker(detail));
    }

    @Test
    void nothingSaysNothing() {
        assertNull(ServerConflict.blocker(null));
        assertNull(ServerConflict.fromContext(null));
    }
}
