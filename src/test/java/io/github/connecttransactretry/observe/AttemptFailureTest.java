package io.github.connecttransactretry.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AttemptFailureTest {

    @Test
    void theFirstLineOfWhatTheServerSaid() {
        assertEquals("ERROR: duplicate key",
                AttemptFailure.firstLine(new SQLException("ERROR: duplicate key\n  Detail: Key (a)=(1)", "23505")));
        assertEquals("ERROR: could not serialize access", AttemptFailure.firstLine(new RuntimeException("framework",
                new SQLException("pool or batch", "40001", new SQLException("ERROR: could not serialize access", "40001")))));
        assertEquals("outer", AttemptFailure.firstLine(new SQLException("outer", "08006", new SQLException("inner", "28P01"))));
        assertEquals("first", AttemptFailure.firstLine(new SQLException("aborted", "25P02", new SQLException("first", "40001"))));
        assertEquals("no state", AttemptFailure.firstLine(new IllegalStateException("no state\nsecond line")));
        assertEquals("IllegalStateException", AttemptFailure.firstLine(new IllegalStateException()));
        assertEquals("SQLException", AttemptFailure.firstLine(new SQLException(null, "40001")));
        assertEquals("", AttemptFailure.firstLine(new IllegalStateException("")));
    }

    @Test
    void ringsEnd() {
        SQLException one = new SQLException("one", "40001");
        SQLException two = new SQLException("two", "40001", one);
        one.initCause(two);
        assertEquals(3, AttemptFailure.firstLine(one).length());
    }

    @Test
    void aLongLineIsCut() {
        String line = AttemptFailure.firstLine(new IllegalStateException("x".repeat(10_000)));
        assertEquals("x".repeat(200) + "...", line);
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "No suitable driver found for jdbc:x://h/db?user=u&password=s3cret&ssl=true",
        "No suitable driver found for jdbc:x://h/db?PassWord=s3cret",
        "No suitable driver found for postgresql://u:s3cret@h/db",
        "postgresql://s3cret@h/db and jdbc:x://h/db?sslpassword=s3cret;password=s3cret",
        "s=password=s3cret://u:s3cret@h"})
    void passwordsAreLeftOut(String message) {
        String line = AttemptFailure.firstLine(new SQLException(message, "08001"));
        assertFalse(line.contains("s3cret"), line);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "No driver for jdbc:x://h/db?user=u&password=p&ssl=true | No driver for jdbc:x://h/db?user=u&password=***&ssl=true",
        "No driver for x://u:p@h/db | No driver for x://***@h/db",
        "FATAL: password authentication failed for user \"u\" | FATAL: password authentication failed for user \"u\"",
        "Connection to 127.0.0.1:1 refused | Connection to 127.0.0.1:1 refused"})
    void theRestOfTheLineStays(String message, String expected) {
        assertEquals(expected, AttemptFailure.firstLine(new SQLException(message, "08001")));
    }

    @Test
    void itDescribesItselfInAFewWords() {
        AttemptFailure failure = new AttemptFailure(1, Phase.COMMIT, "40001", Verdict.CONFLICT, "said", Duration.ZERO, Duration.ZERO);
        assertEquals("COMMIT 40001: said", failure.describe());
        assertEquals("CONNECT: said", new AttemptFailure(1, Phase.CONNECT, null, Verdict.OUTAGE, "said", Duration.ZERO, Duration.ZERO)
                .describe());
        assertEquals(Duration.ofMillis(5), failure.withDelay(Duration.ofMillis(5)).delay());
        assertEquals(failure, failure.withDelay(Duration.ofMillis(5)).withDelay(Duration.ZERO));
    }
}
