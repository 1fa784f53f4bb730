package io.github.connecttransactretry.micrometer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.RetryBudget;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class MicrometerListenerTest {

    private static final Duration TOOK = Duration.ofMillis(30);

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final MicrometerListener listener = new MicrometerListener(registry);

    private double count(String name, String... tags) {
        return registry.get(MicrometerListener.PREFIX + "." + name).tags(tags).counter().count();
    }

    private Timer timer(String name, String... tags) {
        return registry.get(MicrometerListener.PREFIX + "." + name).tags(tags).timer();
    }

    @Test
    void callsAreTimedByTheirEnd() {
        listener.on(new TransactionEvent.CallSucceeded("transfer", 1, TOOK));
        listener.on(new TransactionEvent.CallSucceeded("transfer", 3, TOOK));
        listener.on(new TransactionEvent.CallFailed("transfer", 2, TOOK, IllegalStateException.class));
        listener.on(new TransactionEvent.CallSucceeded("", 1, TOOK));
        assertEquals(2, timer("calls", "label", "transfer", "end", "returned").count());
        assertEquals(60, timer("calls", "label", "transfer", "end", "returned").totalTime(TimeUnit.MILLISECONDS));
        assertEquals(1, timer("calls", "label", "transfer", "end", "IllegalStateException").count());
        assertEquals(1, timer("calls", "label", "none").count());
        assertEquals(6, registry.get(MicrometerListener.PREFIX + ".attempts").tag("label", "transfer").summary().totalAmount());
    }

    @Test
    void failuresRetriesAndDoubtsAreCounted() {
        AttemptFailure failure = new AttemptFailure(1, Phase.BODY, "40001", Verdict.CONFLICT, "ERROR: secret", TOOK, Duration.ZERO);
        listener.on(new TransactionEvent.AttemptFailed("transfer", failure));
        listener.on(new TransactionEvent.RetryScheduled("transfer", failure.withDelay(Duration.ofMillis(7)), 5));
        listener.on(new TransactionEvent.AttemptFailed("transfer",
                new AttemptFailure(2, Phase.CONNECT, null, Verdict.SATURATION, "full", TOOK, Duration.ZERO)));
        listener.on(new TransactionEvent.OutcomeResolved("transfer", new CommitOutcome.NotCommitted("proved", null), "ledger", TOOK, null));
        listener.on(new TransactionEvent.OutcomeResolved("transfer", new CommitOutcome.Unknown("gone"), "", TOOK, null));
        assertEquals(1, count("attempts.failed", "sqlstate", "40001", "phase", "body"));
        assertEquals(1, count("attempts.failed", "sqlstate", "none", "phase", "connect"));
        assertEquals(7, timer("retry.delay", "sqlstate", "40001").totalTime(TimeUnit.MILLISECONDS));
        assertEquals(1, timer("doubts", "outcome", "NotCommitted", "resolver", "ledger").count());
        assertEquals(1, timer("doubts", "outcome", "Unknown", "resolver", "none").count());
        assertEquals(0, registry.getMeters().stream().filter(meter -> meter.getId().toString().contains("secret")).count());
    }

    @Test
    void whatIsRarerIsCountedToo() {
        listener.on(new TransactionEvent.Fenced("a", new Backend(17, "then"), BackendFence.Result.TERMINATED));
        listener.on(new TransactionEvent.Evicted("a", true));
        listener.on(new TransactionEvent.Evicted("a", false));
        listener.on(new TransactionEvent.StoredResultReturned("a"));
        listener.on(new TransactionEvent.AcknowledgedNotReplicated("a", null));
        listener.on(new TransactionEvent.CircuitChanged("a", CircuitBreaker.State.CLOSED, CircuitBreaker.State.OPEN));
        assertEquals(1, count("fenced", "label", "a", "found", "terminated"));
        assertEquals(1, count("evicted", "pool", "true"));
        assertEquals(1, count("evicted", "pool", "false"));
        assertEquals(1, count("stored.results"));
        assertEquals(1, count("not.replicated"));
        assertEquals(1, count("circuit.changes", "to", "open"));
        listener.on(new TransactionEvent.AttemptStarted("a", 1));
        assertEquals(6, registry.getMeters().size(), "a beginning is no meter");
    }

    @Test
    void breakerAndBudgetAreGauges() throws InterruptedException {
        ManualTime time = new ManualTime();
        CircuitBreaker breaker = CircuitBreaker.of(new CircuitBreaker.Settings(1, Backoff.fixed(TOOK), false, Duration.ZERO, TOOK));
        RetryBudget budget = RetryBudget.of(10, 1);
        listener.watch("main", breaker).watch("main", budget);
        breaker.enter(time, Deadline.after(time, TOOK)).orElseThrow().outage();
        budget.tryTake(time);
        assertEquals(1, gauge("circuit.state", "open"));
        assertEquals(0, gauge("circuit.state", "closed"));
        assertEquals(9, registry.get(MicrometerListener.PREFIX + ".budget.left").tag("name", "main").gauge().value());
    }

    private double gauge(String name, String state) {
        return registry.get(MicrometerListener.PREFIX + "." + name).tags("name", "main", "state", state).gauge().value();
    }

    @Test
    void labelsWithAnIdInThemShareOneAfterAWhile() {
        for (int id = 0; id < MicrometerListener.MOST_LABELS + 50; id++) {
            listener.on(new TransactionEvent.StoredResultReturned("order " + id));
        }
        assertEquals(MicrometerListener.MOST_LABELS + 1, registry.getMeters().size());
        assertEquals(50, count("stored.results", "label", "(others)"));
        listener.on(new TransactionEvent.StoredResultReturned("order 0"));
        assertEquals(2, count("stored.results", "label", "order 0"));
    }

    @Test
    void nothingIsGivenAndItIsNamed() {
        assertEquals("registry is null: give the application's MeterRegistry",
                assertThrows(NullPointerException.class, () -> new MicrometerListener(null)).getMessage());
        assertThrows(NullPointerException.class, () -> listener.watch(null, CircuitBreaker.waiting()));
        assertThrows(NullPointerException.class, () -> listener.watch("main", (CircuitBreaker) null));
        assertThrows(NullPointerException.class, () -> listener.watch("main", (RetryBudget) null));
        assertNull(registry.find(MicrometerListener.PREFIX + ".circuit.state").gauge());
    }
}
