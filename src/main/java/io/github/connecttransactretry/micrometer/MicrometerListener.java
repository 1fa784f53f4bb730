package io.github.connecttransactretry.micrometer;

import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.ConflictFigures;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionListener;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.RetryBudget;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.util.Locale;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.ToDoubleFunction;

/**
 * Counts and times calls, attempts, doubts, fences and evictions in a Micrometer registry, under names that begin with
 * {@value #PREFIX}; {@code docs/observing.md} has them all. Give it to the builder as a listener, to one engine or to several.
 * Tags are labels, SQLSTATEs, phases and names of the library's own, never values. Thread-safe.
 *
 * <p>After {@value #MOST_LABELS} labels the rest share one, so that a label with an id in it does not fill the registry.
 */
public final class MicrometerListener implements TransactionListener {

    /** What all names begin with. */
    public static final String PREFIX = "connect.transact.retry";

    /** So many labels are told apart. */
    public static final int MOST_LABELS = 200;

    private static final String NONE = "none";

    private final MeterRegistry registry;
    /** The registry holds what its gauges show by weak references only. */
    private final Queue<Object> watched = new ConcurrentLinkedQueue<>();
    private final Set<String> labels = ConcurrentHashMap.newKeySet();

    /**
     * For a registry.
     *
     * @param registry not null
     */
    public MicrometerListener(MeterRegistry registry) {
        this.registry = Objects.requireNonNull(registry, "registry is null: give the application's MeterRegistry");
    }

    /**
     * Shows a breaker as gauges, for as long as there is this listener.
     *
     * @param name    which, among those of one registry; not null
     * @param breaker not null
     * @return this listener
     */
    public MicrometerListener watch(String name, CircuitBreaker breaker) {
        Tags tags = named(name);
        Objects.requireNonNull(breaker, "breaker is null: give the one that the engine has");
        for (CircuitBreaker.State state : CircuitBreaker.State.values()) {
            gauge("circuit.state", tags.and("state", lower(state)), breaker, b -> b.state() == state ? 1 : 0);
        }
        gauge("circuit.waiting", tags, breaker, b -> b.counts().waiting());
        return this;
    }

    /**
     * Shows a budget as a gauge, for as long as there is this listener.
     *
     * @param name   which, among those of one registry; not null
     * @param budget not null
     * @return this listener
     */
    public MicrometerListener watch(String name, RetryBudget budget) {
        Tags tags = named(name);
        Objects.requireNonNull(budget, "budget is null: give the one that the engine has");
        gauge("budget.left", tags, budget, b -> b.counts().left());
        return this;
    }

    private static Tags named(String name) {
        return Tags.of("name", Objects.requireNonNull(name, "name is null: give one, so that two can be told apart"));
    }

    private <T> void gauge(String name, Tags tags, T object, ToDoubleFunction<T> value) {
        watched.add(object);
        Gauge.builder(PREFIX + "." + name, object, value).tags(tags).register(registry);
    }

    @Override
    public void on(TransactionEvent event) {
        Tags tags = Tags.of("label", label(event.label()));
        if (event instanceof TransactionEvent.CallSucceeded done) {
            call(tags, "returned", done.attempts()).record(done.duration());
        } else if (event instanceof TransactionEvent.CallFailed given) {
            call(tags, given.thrown().getSimpleName(), given.attempts()).record(given.duration());
        } else if (event instanceof TransactionEvent.AttemptFailed failed) {
            count("attempts.failed", tags.and(of(failed.failure())));
        } else if (event instanceof TransactionEvent.RetryScheduled retried) {
            Timer.builder(PREFIX + ".retry.delay").tags(tags.and(of(retried.failure()))).register(registry)
                    .record(retried.failure().delay());
        } else if (event instanceof TransactionEvent.OutcomeResolved resolved) {
            String resolver = resolved.resolver().isEmpty() ? NONE : resolved.resolver();
            Timer.builder(PREFIX + ".doubts")
                    .tags(tags.and("outcome", resolved.outcome().getClass().getSimpleName(), "resolver", resolver))
                    .register(registry).record(resolved.duration());
        } else {
            rarer(event, tags);
        }
    }

    private void rarer(TransactionEvent event, Tags tags) {
        if (event instanceof TransactionEvent.Fenced fenced) {
            count("fenced", tags.and("found", lower(fenced.result())));
        } else if (event instanceof TransactionEvent.Evicted evicted) {
            count("evicted", tags.and("pool", Boolean.toString(evicted.wholePool())));
        } else if (event instanceof TransactionEvent.StoredResultReturned) {
            count("stored.results", tags);
        } else if (event instanceof TransactionEvent.AcknowledgedNotReplicated) {
            count("not.replicated", tags);
        } else if (event instanceof TransactionEvent.CircuitChanged changed) {
            count("circuit.changes", Tags.of("to", lower(changed.to())));
        }
    }

    private Timer call(Tags tags, String end, int attempts) {
        DistributionSummary.builder(PREFIX + ".attempts").tags(tags).register(registry).record(attempts);
        return Timer.builder(PREFIX + ".calls").tags(tags.and("end", end)).register(registry);
    }

    private void count(String name, Tags tags) {
        Counter.builder(PREFIX + "." + name).tags(tags).register(registry).increment();
    }

    private static Tags of(AttemptFailure failure) {
        return Tags.of("sqlstate", failure.sqlState() == null ? NONE : failure.sqlState(), "phase", lower(failure.phase()));
    }

    private static String lower(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    private String label(String given) {
        if (given.isEmpty()) {
            return NONE;
        }
        // Two at once may add one or two more than the most.
        return labels.contains(given) || labels.size() < MOST_LABELS && labels.add(given) ? given : ConflictFigures.OTHERS;
    }
}
