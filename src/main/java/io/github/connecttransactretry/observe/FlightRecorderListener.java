package io.github.connecttransactretry.observe;

/**
 * Writes what happens in calls to the JDK's Flight Recorder, as events under the category "Connect Transact Retry" with names that
 * begin with {@code io.github.connecttransactretry}; {@code docs/observing.md} has them all. Costs next to nothing while
 * nobody records. Give it to the builder as a listener. Needs the module {@code jdk.jfr}, which every full JDK has. Holds
 * labels, SQLSTATEs and names of the library's own, never a message of the server's. Thread-safe.
 */
public final class FlightRecorderListener implements TransactionListener {

    /** The listener; it keeps no state. */
    public FlightRecorderListener() {
    }

    @Override
    public void on(TransactionEvent event) {
        if (event instanceof TransactionEvent.CallSucceeded done) {
            new FlightEvents.Call(done.label(), done.attempts(), done.duration(), null).commit();
        } else if (event instanceof TransactionEvent.CallFailed given) {
            new FlightEvents.Call(given.label(), given.attempts(), given.duration(), given.thrown()).commit();
        } else if (event instanceof TransactionEvent.AttemptFailed failed) {
            new FlightEvents.FailedAttempt(failed.label(), failed.failure()).commit();
        } else if (event instanceof TransactionEvent.RetryScheduled retried) {
            new FlightEvents.Retry(retried.label(), retried.failure()).commit();
        } else if (event instanceof TransactionEvent.OutcomeResolved resolved) {
            new FlightEvents.Doubt(resolved).commit();
        } else if (event instanceof TransactionEvent.Fenced fenced) {
            new FlightEvents.Fence(fenced).commit();
        } else if (event instanceof TransactionEvent.Evicted evicted) {
            new FlightEvents.Eviction(evicted).commit();
        } else if (event instanceof TransactionEvent.CircuitChanged changed) {
            new FlightEvents.Circuit(changed).commit();
        } else if (event instanceof TransactionEvent.AcknowledgedNotReplicated lone) {
            new FlightEvents.NotReplicated(lone.label()).commit();
        }
    }
}
