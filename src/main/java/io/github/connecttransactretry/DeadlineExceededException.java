package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.List;

/**
 * The call's time was over before a transaction could be committed; the last transient failure, if any, is the cause.
 * Nothing was committed.
 */
public final class DeadlineExceededException extends TransactionRetryException {

    private static final long serialVersionUID = 1L;

    DeadlineExceededException(String message, Throwable cause, List<AttemptFailure> failures) {
        super(message, cause, failures);
    }
}
