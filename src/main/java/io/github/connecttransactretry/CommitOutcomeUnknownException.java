package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.outcome.CommitEvidence;
import java.util.List;
import java.util.Optional;

/**
 * COMMIT was sent, its answer never came, and it could not be found out what became of it: the transaction may be committed
 * or not. Repeating the call may do the work twice. The cause is what COMMIT failed with.
 */
public final class CommitOutcomeUnknownException extends TransactionRetryException {

    private static final long serialVersionUID = 1L;

    private final transient CommitEvidence evidence;

    CommitOutcomeUnknownException(String message, Throwable cause, List<AttemptFailure> failures, CommitEvidence evidence) {
        super(message, cause, failures);
        this.evidence = evidence;
    }

    /** What the server can still be asked about; empty if none was taken, as with {@code outcome(OutcomeMode.NONE)}. */
    public Optional<CommitEvidence> evidence() {
        return Optional.ofNullable(evidence);
    }
}
