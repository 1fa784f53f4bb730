package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.List;

/**
 * What the engine itself has to say, as opposed to the function. Unchecked and sealed. All but
 * {@link CommitOutcomeUnknownException} mean that <b>the engine committed nothing</b>.
 */
public abstract sealed class TransactionRetryException extends RuntimeException
        permits CircuitOpenException, CommitOutcomeUnknownException, DeadlineExceededException, IdempotencyConflictException,
        RetriesExhaustedException,
        TransactionFailedException, TransactionInterruptedException, TransactionRefusedException {

    private static final long serialVersionUID = 1L;

    private final transient List<AttemptFailure> failures;

    TransactionRetryException(String message, Throwable cause, List<AttemptFailure> failures) {
        super(message, cause);
        this.failures = List.copyOf(failures);
    }

    /** The call's failed attempts in order, the last one included; empty if none was made. Never null. */
    public final List<AttemptFailure> failures() {
        return failures == null ? List.of() : failures;
    }
}
