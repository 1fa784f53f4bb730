package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionListener;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Which calls have their evidence taken and no proof yet, and how many of everything there were. The evidence and the COMMIT
 * are seen on the wire, the proof is heard from the engine; calls go by their label. Safe from any thread.
 */
final class DoubtBook implements TransactionListener {

    private enum Stage {
        /** The evidence's statement has gone to the server. */
        EVIDENCE_SENT,
        /** The client has sent COMMIT: the evidence is in its hands. */
        COMMIT_SENT
    }

    private final Map<String, Stage> open = new ConcurrentHashMap<>();
    private final AtomicInteger succeeded = new AtomicInteger();
    private final AtomicInteger failed = new AtomicInteger();
    private final AtomicInteger retries = new AtomicInteger();
    private final AtomicInteger inDoubt = new AtomicInteger();
    private final AtomicInteger resolvedCommitted = new AtomicInteger();
    private final AtomicInteger resolvedNotCommitted = new AtomicInteger();

    /**
     * A reading of the counters.
     *
     * @param succeeded calls that returned
     * @param failed calls that threw
     * @param retries attempts that were scheduled after a failed one
     * @param inDoubt COMMITs whose outcome was asked for
     * @param resolvedCommitted of those, proven committed
     * @param resolvedNotCommitted of those, proven not committed
     */
    record Counts(int succeeded, int failed, int retries, int inDoubt, int resolvedCommitted, int resolvedNotCommitted) {
    }

    void evidenceSent(String call) {
        open.put(call, Stage.EVIDENCE_SENT);
    }

    void commitSent(String call) {
        open.replace(call, Stage.COMMIT_SENT);
    }

    /** Whether of every open call it is certain that its client has the evidence. */
    boolean isCertain() {
        return !open.containsValue(Stage.EVIDENCE_SENT);
    }

    /** The calls with evidence and without proof. */
    Set<String> open() {
        return new TreeSet<>(open.keySet());
    }

    Counts counts() {
        return new Counts(succeeded.get(), failed.get(), retries.get(), inDoubt.get(), resolvedCommitted.get(),
                resolvedNotCommitted.get());
    }

    @Override
    public void on(TransactionEvent event) {
        if (event instanceof TransactionEvent.OutcomeAsked) {
            inDoubt.incrementAndGet();
        } else if (event instanceof TransactionEvent.OutcomeResolved resolved) {
            resolved(resolved);
        } else if (event instanceof TransactionEvent.AttemptFailed) {
            // Told only when it is certain that the attempt has not committed.
            open.remove(event.label());
        } else if (event instanceof TransactionEvent.RetryScheduled) {
            retries.incrementAndGet();
        } else if (event instanceof TransactionEvent.CallSucceeded) {
            open.remove(event.label());
            succeeded.incrementAndGet();
        } else if (event instanceof TransactionEvent.CallFailed) {
            open.remove(event.label());
            failed.incrementAndGet();
        }
    }

    private void resolved(TransactionEvent.OutcomeResolved resolved) {
        if (resolved.outcome() instanceof CommitOutcome.Committed) {
            resolvedCommitted.incrementAndGet();
            open.remove(resolved.label());
        } else if (resolved.outcome() instanceof CommitOutcome.NotCommitted) {
            resolvedNotCommitted.incrementAndGet();
            open.remove(resolved.label());
        }
    }
}
