package io.github.connecttransactretry;

import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.CommitEvidence;

/**
 * How one attempt ended. The connection has been given back or evicted in every case.
 *
 * @param <T> the function's value
 */
sealed interface AttemptResult<T> {

    /**
     * The transaction is committed, or was rolled back because the function asked for it, or, with no transaction, an earlier
     * call with the same idempotency key was committed: the call returns the value.
     */
    record Done<T>(T value, LiveTransaction transaction, boolean committed) implements AttemptResult<T> {

        /** Runs the hooks; the value. */
        T finish() {
            if (transaction == null) {
                // An earlier call did the work.
                return value;
            }
            if (committed) {
                transaction.committed();
            } else {
                transaction.rolledBack();
            }
            return value;
        }
    }

    /** The transaction is not committed and never will be; {@code transaction} is null if the function was never reached. */
    record NotCommitted<T>(Failed failed, LiveTransaction transaction) implements AttemptResult<T> {

        void runHooks() {
            if (transaction != null) {
                transaction.rolledBack();
            }
        }
    }

    /**
     * COMMIT was handed to the driver, and its answer proves nothing; {@code evidence} is null if none was taken,
     * {@code abandoned} if the connection is well.
     */
    record InDoubt<T>(T value, LiveTransaction transaction, CommitEvidence evidence, Backend abandoned, Throwable cause)
            implements AttemptResult<T> {
    }
}
