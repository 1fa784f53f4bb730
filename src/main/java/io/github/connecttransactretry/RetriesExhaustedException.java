package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.List;

/**
 * The failure, which is the cause, was transient, but a limit of the {@link io.github.connecttransactretry.pacing.RetryPolicy}
 * other than the deadline allows no further attempt. Nothing was committed.
 */
public final class RetriesExhaustedException extends TransactionRetryException {

    private static final long serialVersionUID = 1L;

    RetriesExhaustedException(String message, Throwable cause, List<AttemptFailure> failures) {
        super(message, cause, failures);
    }
}
