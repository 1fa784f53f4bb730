package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.Conflict;

/**
 * Why an attempt came to nothing.
 *
 * @param phase       where it failed
 * @param thrown      what was thrown
 * @param sqlState    the SQLSTATE that explains it, or null
 * @param verdict     what the classifiers made of it
 * @param byFunction  whether the function itself threw it, so that the caller gets it unchanged if it is not retried
 * @param lostBody    whether the connection was lost in or after the function, before COMMIT
 * @param keyTaken    whether another call with the same idempotency key was first
 * @param conflict    where it met another transaction, or null if it was no conflict
 */
record Failed(Phase phase, Throwable thrown, String sqlState, Verdict verdict, boolean byFunction, boolean lostBody,
              boolean keyTaken, Conflict conflict) {

    /** What the server or driver said. The text of a function's own exception is the user's, who gets it: its class must do. */
    String message() {
        boolean own = byFunction && SqlState.carrier(thrown).isEmpty();
        return own ? thrown.getClass().getName() : AttemptFailure.firstLine(thrown);
    }
}
