package io.github.connecttransactretry.observe;

import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import java.time.Duration;

/**
 * Something that happened in a call. Immutable; holds no secret, and of the user's data no more than the first line of a
 * server's message quotes.
 */
public sealed interface TransactionEvent {

    /** The label of the call's options, the empty text if it has none. */
    String label();

    /**
     * An attempt begins.
     *
     * @param label   the call's label
     * @param attempt 1 for the first
     */
    record AttemptStarted(String label, int attempt) implements TransactionEvent {
    }

    /**
     * An attempt failed and is known not to have committed.
     *
     * @param label   the call's label
     * @param failure what happened
     */
    record AttemptFailed(String label, AttemptFailure failure) implements TransactionEvent {
    }

    /**
     * The call goes again.
     *
     * @param label       the call's label
     * @param failure     the attempt that failed, with the delay
     * @param maxAttempts the most attempts of the call, {@link Integer#MAX_VALUE} for no limit but the deadline
     */
    record RetryScheduled(String label, AttemptFailure failure, int maxAttempts) implements TransactionEvent {
    }

    /**
     * A call with an idempotency key returns what an earlier call with that key has left, and does nothing itself.
     *
     * @param label the call's label
     */
    record StoredResultReturned(String label) implements TransactionEvent {
    }

    /**
     * A COMMIT is in doubt, and its outcome is being asked for.
     *
     * @param label    the call's label
     * @param attempt  1 for the first
     * @param evidence what can be asked, or null if none was taken
     */
    record OutcomeAsked(String label, int attempt, CommitEvidence evidence) implements TransactionEvent {
    }

    /**
     * The asking has ended.
     *
     * @param label    the call's label
     * @param outcome  the answer
     * @param resolver which resolver gave it, the empty text if none could
     * @param duration how long it took
     * @param evidence what was asked, or null if no evidence was taken
     */
    record OutcomeResolved(String label, CommitOutcome outcome, String resolver, Duration duration,
                           CommitEvidence evidence) implements TransactionEvent {
    }

    /**
     * An abandoned backend was looked at, and ended if it could be.
     *
     * @param label   the call's label
     * @param backend which
     * @param result  how it was found
     */
    record Fenced(String label, Backend backend, BackendFence.Result result) implements TransactionEvent {
    }

    /**
     * A connection was thrown away rather than given back.
     *
     * @param label     the call's label
     * @param wholePool whether all idle connections were made to be replaced too
     */
    record Evicted(String label, boolean wholePool) implements TransactionEvent {
    }

    /**
     * A commit was acknowledged with the warning that its synchronous replication was given up.
     *
     * @param label    the call's label
     * @param evidence of the transaction, or null if none was taken
     */
    record AcknowledgedNotReplicated(String label, CommitEvidence evidence) implements TransactionEvent {
    }

    /**
     * The circuit breaker has changed.
     *
     * @param label of the call that made it change
     * @param from  not null
     * @param to    not null
     */
    record CircuitChanged(String label, CircuitBreaker.State from, CircuitBreaker.State to) implements TransactionEvent {
    }

    /**
     * A call returned its value.
     *
     * @param label    the call's label
     * @param attempts how many it took
     * @param duration how long it took
     */
    record CallSucceeded(String label, int attempts, Duration duration) implements TransactionEvent {
    }

    /**
     * A call ended with an exception, which the caller gets.
     *
     * @param label    the call's label
     * @param attempts how many it took
     * @param duration how long it took
     * @param thrown   the exception's class
     */
    record CallFailed(String label, int attempts, Duration duration, Class<? extends Throwable> thrown)
            implements TransactionEvent {
    }
}
