package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import ch.qos.logback.classic.Level;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What a call leaves in the log at INFO, word by word: nothing, unless it was repeated. */
class RetryLinesTest {

    private static final RetryPolicy POLICY = RetryPolicy.defaults().withMaxAttempts(5).withConflictBackoff(Backoff.fixed(Duration.ofMillis(13)));
    private static final String SAID = "transfer failed in BODY with 40001 (ERROR: could not serialize access): attempt %d of 5, next in 13 ms";

    private static TestDatabase database;

    @BeforeAll
    static void launch() {
        database = TestDatabase.launch();
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    /** The levels and messages of a call that fails so often before it succeeds. */
    private static List<String> lines(int failures, SQLException trouble) {
        try (CapturedLog log = CapturedLog.ofLibrary(Level.INFO);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(() -> database.server().connect()).retryPolicy(POLICY)
                        .timeSource(new ManualTime()).build()) {
            TransactionalAction<SQLException> action = tx -> {
                if (tx.attempt() <= failures) {
                    throw trouble;
                }
            };
            if (failures < 5 && trouble.getSQLState().equals("40001")) {
                assertEquals(failures + 1, engine.<Integer, SQLException>run(TransactionOptions.defaults().withLabel("transfer"), tx -> {
                    action.apply(tx);
                    return tx.attempt();
                }));
            } else {
                assertThrows(Exception.class, () -> engine.execute(TransactionOptions.defaults().withLabel("transfer"), action));
            }
            assertFalse(log.text().contains("4711"), log::text);
            return log.events().stream().map(e -> e.getLevel() + " " + e.getFormattedMessage()).toList();
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
    }

    private static SQLException conflict() {
        return new SQLException("ERROR: could not serialize access\n  Detail: Key (card)=(4711)", "40001");
    }

    private static List<String> said(int last) {
        return IntStream.rangeClosed(2, last).mapToObj(attempt -> "INFO " + SAID.formatted(attempt)).toList();
    }

    @Test
    void aCallThatNeedsNoRetryIsSilent() {
        assertEquals(List.of(), lines(0, conflict()));
        assertEquals(List.of(), lines(1, new SQLException("ERROR: invalid input syntax for type integer: \"4711\"", "22P02")));
    }

    @Test
    void eachRetryHasALineAndTheSuccessAfterThem() {
        List<String> lines = lines(3, conflict());
        assertEquals(said(4), lines.subList(0, 3));
        assertEquals(List.of("INFO transfer done after 4 attempts in 39 ms"), lines.subList(3, lines.size()));
    }

    @Test
    void theFailureAfterRetriesHasOneLine() {
        List<String> lines = lines(9, conflict());
        assertEquals(said(5), lines.subList(0, 4));
        assertEquals(List.of("WARN transfer ended with RetriesExhaustedException after 5 attempts in 52 ms"), lines.subList(4, lines.size()));
    }
}
