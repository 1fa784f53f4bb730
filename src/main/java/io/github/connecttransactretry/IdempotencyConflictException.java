package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.List;

/**
 * The idempotency key was used before by a call with another label, fingerprint or codec, so that its stored result is not an
 * answer to this call. Nothing was committed by this call.
 */
public final class IdempotencyConflictException extends TransactionRetryException {

    private static final long serialVersionUID = 1L;

    IdempotencyConflictException(String message, List<AttemptFailure> failures) {
        super(message, null, failures);
    }
}
