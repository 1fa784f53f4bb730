package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.List;

/**
 * The thread was interrupted, and its interrupt flag is set again. Nothing was committed; the cause is the failure, if any,
 * that the interrupt kept from being repeated.
 */
public final class TransactionInterruptedException extends TransactionRetryException {

    private static final long serialVersionUID = 1L;

    TransactionInterruptedException(String message, Throwable cause, List<AttemptFailure> failures) {
        super(message, cause, failures);
    }
}
