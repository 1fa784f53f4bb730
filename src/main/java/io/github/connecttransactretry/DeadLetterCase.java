package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.outcome.CommitEvidence;
import java.sql.SQLException;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The last thing that is done for a call that asked for it and did not succeed: its letter. */
final class DeadLetterCase {

    private static final Logger LOG = LoggerFactory.getLogger(DeadLetterCase.class);

    private DeadLetterCase() {
    }

    /** Writes the call's letter, if it is to have one. Throws nothing, and leaves the interrupt flag as it was. */
    static void close(Journey journey, Throwable thrown) {
        if (journey.options().deadLetter() == null || thrown instanceof IdempotencyConflictException) {
            return;
        }
        // With the flag set no file could be written.
        boolean interrupted = Thread.interrupted();
        DeadLetter letter = null;
        try {
            letter = letter(journey, thrown);
            journey.settings().deadLetters().put(letter);
        } catch (Throwable lost) {
            report(letter, journey, thrown, lost);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void report(DeadLetter letter, Journey journey, Throwable thrown, Throwable lost) {
        if (lost instanceof InterruptedException) {
            Thread.currentThread().interrupt();
        }
        // The function's own exception may be the same each time, and would grow.
        boolean own = thrown instanceof TransactionRetryException;
        if (own) {
            thrown.addSuppressed(lost);
        }
        try {
            DeadLetter kept = letter != null ? letter.withoutSaid() : bare(journey, thrown);
            LOG.error("a dead letter could not be kept, and is here: {}", kept.toJson(), lost);
        } catch (Throwable noLog) {
            if (own) {
                thrown.addSuppressed(noLog);
            }
        }
    }

    /** Of what was checked when the call began, so that making it does not fail. As it is not known, it counts as unknown. */
    private static DeadLetter bare(Journey journey, Throwable thrown) {
        return new DeadLetter(UUID.randomUUID(), journey.settings().time().now(), journey.options().label(), null, null, null,
                journey.attempt(), List.of(), thrown.getClass().getName(), "", true, null, journey.options().deadLetter());
    }

    private static DeadLetter letter(Journey journey, Throwable thrown) {
        TransactionOptions options = journey.options();
        IdempotencyKey key = options.idempotencyKey();
        boolean doubted = thrown instanceof CommitOutcomeUnknownException;
        String evidence = doubted
                ? ((CommitOutcomeUnknownException) thrown).evidence().map(CommitEvidence::toString).orElse(null) : null;
        boolean unknown = doubted || journey.isEndedByFunction() || journey.isCommitOpen();
        return new DeadLetter(UUID.randomUUID(), journey.settings().time().now(), options.label(),
                key == null ? null : key.key(), key == null ? null : key.fingerprint(), key == null ? null : key.codec().name(),
                journey.attempt(), sqlStates(journey, thrown), thrown.getClass().getName(), said(thrown), unknown, evidence,
                options.deadLetter());
    }

    private static List<String> sqlStates(Journey journey, Throwable thrown) {
        Stream<String> attempts = journey.failures().stream().map(AttemptFailure::sqlState);
        return Stream.concat(attempts, SqlState.of(thrown).stream()).filter(Objects::nonNull).distinct().toList();
    }

    /** The words of an exception of the application's may hold anything, also where the engine's quote them. */
    private static String said(Throwable thrown) {
        boolean byEngine = thrown instanceof TransactionRetryException
                && (thrown.getCause() == null || thrown.getCause() instanceof SQLException);
        return byEngine || SqlState.of(thrown).isPresent() ? AttemptFailure.firstLine(thrown) : "";
    }
}
