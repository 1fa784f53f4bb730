package io.github.connecttransactretry.drill;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class FrontendStatementsTest {

    private final FrontendStatements statements = new FrontendStatements();

    @Test
    void aNamedStatementIsKnownByItsText() {
        see('P', "S_1\0COMMIT\0");
        see('B', "\0S_1\0");
        see('E', "\0");
        assertEquals(List.of("COMMIT"), statements.takeExecuted());

        see('B', "\0S_1\0");
        see('E', "\0");

        assertEquals(List.of("COMMIT"), statements.takeExecuted());
        assertEquals(List.of(), statements.takeExecuted());
    }

    @Test
    void whatIsOnlyParsedIsNotExecuted() {
        see('P', "\0COMMIT\0");
        see('B', "\0\0");

        assertEquals(List.of(), statements.takeExecuted());
    }

    @Test
    void aPortalMayBeExecutedInALaterRequest() {
        see('P', "\0SELECT 1\0");
        see('B', "C_1\0\0");
        see('P', "\0SELECT 2\0");
        see('B', "\0\0");
        see('E', "C_1\0");
        assertEquals(List.of("SELECT 1"), statements.takeExecuted());

        see('E', "C_1\0");
        see('E', "\0");

        assertEquals(List.of("SELECT 1", "SELECT 2"), statements.takeExecuted());
    }

    @Test
    void aClosedStatementIsForgotten() {
        see('P', "S_1\0COMMIT\0");
        see('B', "C_1\0S_1\0");
        see('C', "SS_1\0");
        see('B', "\0S_1\0");
        see('E', "\0");
        see('E', "C_1\0");
        assertEquals(List.of("", "COMMIT"), statements.takeExecuted());

        see('C', "PC_1\0");
        see('E', "C_1\0");

        assertEquals(List.of(""), statements.takeExecuted());
    }

    @Test
    void aSimpleQueryIsTakenApart() {
        see('Q', "INSERT INTO t VALUES (1); COMMIT\0");

        assertEquals(List.of("INSERT INTO t VALUES (1)", "COMMIT"), statements.executed());
    }

    @Test
    void theBeginningOfABindTellsItsStatement() {
        see('P', "S_9\0INSERT INTO blob VALUES ($1)\0");

        assertEquals("INSERT INTO blob VALUES ($1)", statements.boundBy("p\0S_9\0\0\1\0".getBytes(StandardCharsets.UTF_8)));
    }

    private void see(char type, String body) {
        statements.see((byte) type, body.getBytes(StandardCharsets.UTF_8));
    }
}
