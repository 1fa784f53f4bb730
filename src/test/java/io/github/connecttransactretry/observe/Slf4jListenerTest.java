package io.github.connecttransactretry.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.Incarnation;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.BatchUpdateException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The lines of the log: level, message, key-value pairs, and what must not be in them. */
class Slf4jListenerTest {

    private static final Backend BACKEND = new Backend(4711, "2026-01-01T00:00:00.000000");
    private static final CommitEvidence EVIDENCE = new CommitEvidence("bank", 815L, BACKEND,
            new Incarnation("7", "00000001", "2026-01-01T00:00:00.000001", "row"), null, null);

    private final CapturedLog log = CapturedLog.ofLibrary(Level.TRACE);
    private final Slf4jListener listener = new Slf4jListener();

    @AfterEach
    void close() {
        log.close();
    }

    private static AttemptFailure failure(Throwable thrown, String sqlState, Verdict verdict) {
        return new AttemptFailure(2, Phase.BODY, sqlState, verdict, AttemptFailure.firstLine(thrown), Duration.ofMillis(15),
                Duration.ofMillis(8));
    }

    private static AttemptFailure conflict() {
        return failure(new SQLException("ERROR: could not serialize access\n  Detail: secret row", "40001"), "40001", Verdict.CONFLICT);
    }

    private ILoggingEvent lineOf(TransactionEvent event) {
        listener.on(event);
        assertEquals(1, log.events().size());
        ILoggingEvent line = log.events().get(0);
        assertEquals("io.github.connecttransactretry", line.getLoggerName());
        assertNull(line.getThrowableProxy(), "a line of the listener has no stack trace");
        return line;
    }

    private static Map<String, Object> pairs(ILoggingEvent line) {
        Map<String, Object> pairs = new TreeMap<>();
        line.getKeyValuePairs().forEach(pair -> pairs.put(pair.key, pair.value == null ? "null" : pair.value));
        return pairs;
    }

    @Test
    void aRetrySaysWhichAttemptOfHowManyWhyAndWhen() {
        ILoggingEvent line = lineOf(new TransactionEvent.RetryScheduled("transfer", conflict(), 5));
        assertEquals(Level.INFO, line.getLevel());
        assertEquals("transfer failed in BODY with 40001 (ERROR: could not serialize access): attempt 3 of 5, next in 8 ms",
                line.getFormattedMessage());
        assertEquals(Map.of("label", "transfer", "sqlState", "40001", "phase", Phase.BODY, "attempt", 3, "delayMillis", 8L), pairs(line));
    }

    @Test
    void withoutALimitNoneIsNamedAndWithoutALabelItIsATransaction() {
        ILoggingEvent line = lineOf(new TransactionEvent.RetryScheduled("", conflict(), RetryPolicy.UNLIMITED));
        assertEquals("transaction failed in BODY with 40001 (ERROR: could not serialize access): attempt 3, next in 8 ms",
                line.getFormattedMessage());
    }

    /** What is not retried may quote the user's data, as 22P02 does; so nothing of it is logged but the state. */
    @Test
    void aFailedAttemptIsToldWithoutItsMessage() {
        SQLException quoting = new SQLException("ERROR: invalid input syntax for type integer: \"4111 1111\"", "22P02");
        ILoggingEvent line = lineOf(new TransactionEvent.AttemptFailed("transfer", failure(quoting, "22P02", Verdict.PERMANENT)));
        assertEquals(Level.DEBUG, line.getLevel());
        assertEquals("transfer failed in BODY with 22P02, which is PERMANENT", line.getFormattedMessage());
        assertEquals(Map.of("label", "transfer", "sqlState", "22P02", "phase", Phase.BODY, "attempt", 2), pairs(line));
        assertFalse(CapturedLog.text(line).contains("4111"));
    }

    @Test
    void neitherDetailsNorBatchesNorFrameworksQuoteTheUsersData() {
        SQLException server = new SQLException("ERROR: could not serialize access\n  Detail: Key (card)=(4111)", "40001");
        BatchUpdateException batch = new BatchUpdateException("Batch entry 0 insert into card values ('4111') was aborted: ERROR ...",
                "40001", 0, new int[0], server);
        RuntimeException framework = new RuntimeException("SQL [insert into card values ('4111')]", batch);
        ILoggingEvent line = lineOf(
                new TransactionEvent.RetryScheduled("", failure(framework, "40001", Verdict.CONFLICT), RetryPolicy.UNLIMITED));
        assertTrue(line.getFormattedMessage().contains("(ERROR: could not serialize access)"), line::getFormattedMessage);
        assertFalse(CapturedLog.text(line).contains("4111"), () -> CapturedLog.text(line));
    }

    @Test
    void aCommitInDoubtIsAWarningWithItsEvidence() {
        ILoggingEvent line = lineOf(new TransactionEvent.OutcomeAsked("transfer", 1, EVIDENCE));
        assertEquals(Level.WARN, line.getLevel());
        assertTrue(line.getFormattedMessage().startsWith("commit in doubt"), line::getFormattedMessage);
        assertTrue(line.getFormattedMessage().contains("xid=815 pid=4711"), line::getFormattedMessage);
    }

    @Test
    void anAnswerSaysWhatWhyByWhomAndHowLong() {
        ILoggingEvent line = lineOf(new TransactionEvent.OutcomeResolved("transfer", new CommitOutcome.Committed("sealed", "00000001"),
                "transaction-status", Duration.ofMillis(21), EVIDENCE));
        assertEquals(Level.WARN, line.getLevel());
        assertTrue(line.getFormattedMessage().startsWith("transfer: the commit in doubt is Committed (sealed), found out in 21 ms; "),
                line::getFormattedMessage);
        assertEquals(Map.of("label", "transfer", "outcome", "Committed", "resolver", "transaction-status", "millis", 21L), pairs(line));
    }

    @Test
    void anAnswerThatIsNoneIsAnError() {
        ILoggingEvent line = lineOf(new TransactionEvent.OutcomeResolved("", new CommitOutcome.Unknown("no resolver is configured"),
                "", Duration.ofMillis(1), null));
        assertEquals(Level.ERROR, line.getLevel());
        assertEquals("Unknown", pairs(line).get("outcome"));
        assertTrue(line.getFormattedMessage().contains("no resolver is configured"), line::getFormattedMessage);
    }

    @Test
    void aCommitThatWasNotReplicatedIsAWarning() {
        ILoggingEvent line = lineOf(new TransactionEvent.AcknowledgedNotReplicated("transfer", EVIDENCE));
        assertEquals(Level.WARN, line.getLevel());
        assertTrue(line.getFormattedMessage().contains("without synchronous replication"), line::getFormattedMessage);
        assertTrue(line.getFormattedMessage().contains("xid=815"), line::getFormattedMessage);
    }

    @Test
    void successIsSaidAloudOnlyAfterRepeats() {
        listener.on(new TransactionEvent.CallSucceeded("transfer", 1, Duration.ofMillis(3)));
        listener.on(new TransactionEvent.CallSucceeded("transfer", 4, Duration.ofMillis(30)));
        assertEquals(Level.DEBUG, log.events().get(0).getLevel());
        assertEquals(Level.INFO, log.events().get(1).getLevel());
        assertEquals("transfer done after 4 attempts in 30 ms", log.events().get(1).getFormattedMessage());
        assertEquals(Map.of("label", "transfer", "attempts", 4), pairs(log.events().get(1)));
    }

    @Test
    void aCallThatWasRepeatedInVainHasOneLineToo() {
        listener.on(new TransactionEvent.CallFailed("transfer", 1, Duration.ofMillis(3), IllegalStateException.class));
        listener.on(new TransactionEvent.CallFailed("transfer", 5, Duration.ofMillis(30), IllegalStateException.class));
        assertEquals(Level.DEBUG, log.events().get(0).getLevel());
        assertEquals("transfer ended with IllegalStateException after 1 attempt in 3 ms", log.events().get(0).getFormattedMessage());
        assertEquals(Level.WARN, log.events().get(1).getLevel());
        assertEquals("transfer ended with IllegalStateException after 5 attempts in 30 ms", log.events().get(1).getFormattedMessage());
        assertEquals(Map.of("label", "transfer", "attempts", 5, "thrown", "java.lang.IllegalStateException"),
                pairs(log.events().get(1)));
        assertEquals(2, log.events().size());
    }

    @Test
    void whateverIsSaidALineIsOneAndShort() {
        String text = "ERROR: \u001b[31mred\tand\u0085\u2028" + "x".repeat(5000) + "\nDetail: 4711";
        ILoggingEvent line = lineOf(new TransactionEvent.RetryScheduled("a\nb" + "y".repeat(5000),
                failure(new SQLException(text, "40001"), "40001", Verdict.CONFLICT), 5));
        String said = line.getFormattedMessage();
        assertTrue(said.length() < 400, said);
        assertEquals(1, said.lines().count());
        assertTrue(said.startsWith("a b") && said.contains("(ERROR:  [31mred and  xxx"), said);
        assertTrue(said.chars().noneMatch(c -> Character.isISOControl(c) || c == 0x2028), said);
        assertFalse(said.contains("4711"), said);
    }

    @Test
    void theRestIsForThoseWhoLookClosely() {
        listener.on(new TransactionEvent.AttemptStarted("transfer", 1));
        listener.on(new TransactionEvent.Fenced("transfer", BACKEND, BackendFence.Result.TERMINATED));
        listener.on(new TransactionEvent.Evicted("transfer", true));
        listener.on(new TransactionEvent.CallFailed("transfer", 1, Duration.ofMillis(1), IllegalStateException.class));
        assertEquals(4, log.events(Level.DEBUG).size());
        assertEquals(4, log.events().size());
        assertTrue(log.text().contains("4711") && log.text().contains("TERMINATED"), log::text);
    }
}
