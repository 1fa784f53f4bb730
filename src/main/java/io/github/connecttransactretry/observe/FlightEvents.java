package io.github.connecttransactretry.observe;

import java.time.Duration;
import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/**
 * The kinds of events in a flight recording. Each is a moment, and how long something took is a field of it: the engine tells of
 * things when they are over, and a recording takes no beginning that lies in the past.
 */
final class FlightEvents {

    private static final String PREFIX = "io.github.connecttransactretry.";

    private FlightEvents() {
    }

    /** What all of them have. */
    @Category("Connect Transact Retry")
    @StackTrace(false)
    abstract static class Named extends Event {
        @Label("Label")
        final String label;

        Named(String label) {
            this.label = label;
        }
    }

    /** A call has ended. */
    @Name(PREFIX + "Call")
    @Label("Call")
    static final class Call extends Named {
        @Label("Attempts")
        final int attempts;
        @Label("Took")
        @Timespan
        final long took;
        @Label("Thrown")
        final Class<?> thrown;

        Call(String label, int attempts, Duration took, Class<?> thrown) {
            super(label);
            this.attempts = attempts;
            this.took = took.toNanos();
            this.thrown = thrown;
        }
    }

    /** An attempt failed. */
    @Name(PREFIX + "FailedAttempt")
    @Label("Failed Attempt")
    static final class FailedAttempt extends Named {
        @Label("Attempt")
        final int attempt;
        @Label("Phase")
        final String phase;
        @Label("SQLSTATE")
        final String sqlState;
        @Label("Verdict")
        final String verdict;
        @Label("Relation")
        final String relation;
        @Label("Took")
        @Timespan
        final long took;

        FailedAttempt(String label, AttemptFailure failure) {
            super(label);
            this.attempt = failure.attempt();
            this.phase = failure.phase().name();
            this.sqlState = failure.sqlState();
            this.verdict = failure.verdict().name();
            this.relation = failure.conflict() == null ? null : failure.conflict().relation();
            this.took = failure.duration().toNanos();
        }
    }

    /** A call goes again. */
    @Name(PREFIX + "Retry")
    @Label("Retry")
    static final class Retry extends Named {
        @Label("Attempt")
        final int attempt;
        @Label("SQLSTATE")
        final String sqlState;
        @Label("Delay")
        @Timespan
        final long delay;

        Retry(String label, AttemptFailure failure) {
            super(label);
            this.attempt = failure.attempt() + 1;
            this.sqlState = failure.sqlState();
            this.delay = failure.delay().toNanos();
        }
    }

    /** What became of a COMMIT in doubt. */
    @Name(PREFIX + "Doubt")
    @Label("COMMIT in Doubt")
    static final class Doubt extends Named {
        @Label("Outcome")
        final String outcome;
        @Label("Resolver")
        final String resolver;
        @Label("Took")
        @Timespan
        final long took;

        Doubt(TransactionEvent.OutcomeResolved resolved) {
            super(resolved.label());
            this.outcome = resolved.outcome().getClass().getSimpleName();
            this.resolver = resolved.resolver();
            this.took = resolved.duration().toNanos();
        }
    }

    /** An abandoned backend was looked at. */
    @Name(PREFIX + "Fence")
    @Label("Abandoned Backend")
    static final class Fence extends Named {
        @Label("Process Id")
        final int pid;
        @Label("Found")
        final String found;

        Fence(TransactionEvent.Fenced fenced) {
            super(fenced.label());
            this.pid = fenced.backend().pid();
            this.found = fenced.result().name();
        }
    }

    /** A connection was thrown away. */
    @Name(PREFIX + "Eviction")
    @Label("Eviction")
    static final class Eviction extends Named {
        @Label("Whole Pool")
        final boolean wholePool;

        Eviction(TransactionEvent.Evicted evicted) {
            super(evicted.label());
            this.wholePool = evicted.wholePool();
        }
    }

    /** The circuit breaker changed. */
    @Name(PREFIX + "Circuit")
    @Label("Circuit Breaker")
    static final class Circuit extends Named {
        @Label("From")
        final String from;
        @Label("To")
        final String to;

        Circuit(TransactionEvent.CircuitChanged changed) {
            super(changed.label());
            this.from = changed.from().name();
            this.to = changed.to().name();
        }
    }

    /** A commit was acknowledged although its synchronous replication was given up. */
    @Name(PREFIX + "NotReplicated")
    @Label("Acknowledged, not Replicated")
    static final class NotReplicated extends Named {
        NotReplicated(String label) {
            super(label);
        }
    }
}
