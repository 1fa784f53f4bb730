package io.github.connecttransactretry.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Events are read back from a recording of this very JVM. */
class FlightRecorderListenerTest {

    private static final Duration TOOK = Duration.ofMillis(30);
    /** Other tests may run in the JVM, and record nothing under this label. */
    private static final String LABEL = "flight recorder test";

    @TempDir
    private Path directory;

    private Map<String, RecordedEvent> recorded(TransactionEvent... events) throws IOException {
        FlightRecorderListener listener = new FlightRecorderListener();
        Path file = directory.resolve("recording.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            for (TransactionEvent event : events) {
                listener.on(event);
            }
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> all = RecordingFile.readAllEvents(file);
        return all.stream().filter(event -> event.getEventType().getName().startsWith("io.github.connecttransactretry."))
                .filter(event -> LABEL.equals(event.getString("label")))
                .collect(Collectors.toMap(event -> event.getEventType().getLabel(), Function.identity()));
    }

    @Test
    void eachKindHasItsFields() throws IOException {
        AttemptFailure failure = new AttemptFailure(1, Phase.BODY, "40001", Verdict.CONFLICT, "ERROR: secret", TOOK,
                Duration.ofMillis(7), new Conflict("account", null, null, null));
        Map<String, RecordedEvent> found = recorded(
                new TransactionEvent.CallFailed(LABEL, 2, TOOK, IllegalStateException.class),
                new TransactionEvent.AttemptFailed(LABEL, failure),
                new TransactionEvent.RetryScheduled(LABEL, failure, 5),
                new TransactionEvent.OutcomeResolved(LABEL, new CommitOutcome.Committed("proved", null), "ledger", TOOK, null),
                new TransactionEvent.Fenced(LABEL, new Backend(17, "then"), BackendFence.Result.TERMINATED),
                new TransactionEvent.Evicted(LABEL, true),
                new TransactionEvent.CircuitChanged(LABEL, CircuitBreaker.State.CLOSED, CircuitBreaker.State.OPEN),
                new TransactionEvent.AcknowledgedNotReplicated(LABEL, null));
        assertEquals(8, found.size(), found::toString);
        RecordedEvent call = found.get("Call");
        assertEquals(2, call.getInt("attempts"));
        assertEquals(TOOK, call.getDuration("took"));
        assertEquals(IllegalStateException.class.getName(), call.getClass("thrown").getName());
        RecordedEvent failed = found.get("Failed Attempt");
        assertEquals(List.of("BODY", "40001", "CONFLICT", "account"), List.of(failed.getString("phase"),
                failed.getString("sqlState"), failed.getString("verdict"), failed.getString("relation")));
        assertEquals(2, found.get("Retry").getInt("attempt"));
        assertEquals(Duration.ofMillis(7), found.get("Retry").getDuration("delay"));
        assertEquals("Committed", found.get("COMMIT in Doubt").getString("outcome"));
        assertEquals("ledger", found.get("COMMIT in Doubt").getString("resolver"));
        assertEquals(17, found.get("Abandoned Backend").getInt("pid"));
        assertEquals("OPEN", found.get("Circuit Breaker").getString("to"));
        assertFalse(found.toString().contains("secret"), "a server's message may quote data");
        assertEquals(List.of("Connect Transact Retry"), call.getEventType().getCategoryNames());
    }

    @Test
    void aCallThatReturnedHasThrownNothing() throws IOException {
        Map<String, RecordedEvent> found = recorded(new TransactionEvent.CallSucceeded(LABEL, 1, TOOK),
                new TransactionEvent.AttemptStarted(LABEL, 1));
        assertEquals(1, found.size());
        assertNull(found.get("Call").getClass("thrown"));
    }
}
