package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionListener;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts what an engine tells. Safe from any thread. */
final class Tally implements TransactionListener {

    private final AtomicInteger retries = new AtomicInteger();
    private final AtomicInteger asked = new AtomicInteger();
    private final Set<String> inDoubt = ConcurrentHashMap.newKeySet();
    private final AtomicInteger committed = new AtomicInteger();
    private final AtomicInteger notCommitted = new AtomicInteger();

    @Override
    public void on(TransactionEvent event) {
        if (event instanceof TransactionEvent.RetryScheduled) {
            retries.incrementAndGet();
        } else if (event instanceof TransactionEvent.OutcomeAsked question) {
            inDoubt.add(question.label());
            asked.incrementAndGet();
        } else if (event instanceof TransactionEvent.OutcomeResolved resolved) {
            if (resolved.outcome() instanceof CommitOutcome.Committed) {
                committed.incrementAndGet();
            } else if (resolved.outcome() instanceof CommitOutcome.NotCommitted) {
                notCommitted.incrementAndGet();
            }
        }
    }

    /** Whether a COMMIT of the call with this label was in doubt. */
    boolean wasInDoubt(String label) {
        return inDoubt.contains(label);
    }

    Counts counts() {
        return new Counts(retries.get(), asked.get(), committed.get(), notCommitted.get());
    }

    /**
     * The counts of a moment.
     *
     * @param retries attempts made again
     * @param inDoubt COMMITs whose outcome was asked for
     * @param committed of these
     * @param notCommitted of these
     */
    record Counts(int retries, int inDoubt, int committed, int notCommitted) {
    }
}
