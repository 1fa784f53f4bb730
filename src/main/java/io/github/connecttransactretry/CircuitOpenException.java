package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.List;

/**
 * The {@link io.github.connecttransactretry.pacing.CircuitBreaker} is open: the server was away when it was last tried, and this
 * attempt was not made. Nothing was committed. The cause is what the call's last attempt threw, null if it has made none.
 */
public final class CircuitOpenException extends TransactionRetryException {

    private static final long serialVersionUID = 1L;

    CircuitOpenException(String message, Throwable lastThrown, List<AttemptFailure> failures) {
        super(message, lastThrown, failures);
    }
}
