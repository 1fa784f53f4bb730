package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.List;

/**
 * A step of the engine's own (connecting, beginning, committing) failed in a way that another attempt does not mend, or
 * a statement failed for such a reason and the function went on as if it had not. Nothing was committed; the cause is what
 * the server or driver said.
 */
public final class TransactionFailedException extends TransactionRetryException {

    private static final long serialVersionUID = 1L;

    TransactionFailedException(String message, Throwable cause, List<AttemptFailure> failures) {
        super(message, cause, failures);
    }
}
