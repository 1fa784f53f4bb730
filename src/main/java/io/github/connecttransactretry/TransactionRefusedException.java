package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.List;

/**
 * The engine was used in a way that it cannot make safe: the function ended the transaction itself, the connection had one
 * open already, the server or driver lacks what is needed, or a call was nested. The message says what to do instead.
 * The engine committed nothing; if the function has ended the transaction itself, past the guard, what it had done until then
 * may be committed, and the message says so.
 */
public final class TransactionRefusedException extends TransactionRetryException {

    private static final long serialVersionUID = 1L;

    TransactionRefusedException(String message, Throwable cause, List<AttemptFailure> failures) {
        super(message, cause, failures);
    }
}
