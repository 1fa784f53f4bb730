package io.github.connecttransactretry;

import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.ground.ServerText;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.outcome.CommitVerification;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;

/**
 * What one call asks for. Immutable and thread-safe: keep one per kind of transaction.
 *
 * @param isolation       the isolation level, not null
 * @param access          whether it may write, not null
 * @param deferrable      whether a SERIALIZABLE READ ONLY transaction waits for a snapshot in which it cannot fail
 * @param timeout         how long the whole call may take, waiting and outcome included; positive, or null if there is a
 *                        {@code deadline} instead
 * @param deadline        when the whole call has to be over, or null if there is a {@code timeout} instead
 * @param label           a name for logs and events, not null, empty for none; put no secret into it
 * @param evidenceAtBegin whether the evidence is taken at BEGIN; see {@link #withEvidenceAtBegin()}
 * @param idempotencyKey  the name under which the call takes effect at most once, or null
 * @param verification    the user's own way to find out what became of this call's COMMIT, asked last, or null
 * @param deadLetter      what a dead letter about this call holds for whoever takes it up, or null for no letter
 */
public record TransactionOptions(Isolation isolation, Access access, boolean deferrable, Duration timeout,
                                 Instant deadline, String label, boolean evidenceAtBegin, IdempotencyKey idempotencyKey,
                                 CommitVerification verification, String deadLetter) {

    /** How long a call may take if nothing is said: {@value #DEFAULT_TIMEOUT_SECONDS} seconds. */
    public static final int DEFAULT_TIMEOUT_SECONDS = 30;

    private static final TransactionOptions DEFAULTS = new TransactionOptions(Isolation.SESSION, Access.READ_WRITE, false,
            Duration.ofSeconds(DEFAULT_TIMEOUT_SECONDS), null, "", false, null, null, null);

    /** Checks that the parts are there and fit each other. */
    public TransactionOptions {
        Objects.requireNonNull(isolation, "isolation is null: give Isolation.SESSION for the session's own");
        Objects.requireNonNull(access, "access is null: give READ_WRITE or READ_ONLY");
        Objects.requireNonNull(label, "label is null: give the empty text for none");
        if ((timeout == null) == (deadline == null)) {
            throw new IllegalArgumentException("give either a timeout or a deadline: there is always one, and only one");
        }
        if (timeout != null && (timeout.isNegative() || timeout.isZero())) {
            throw new IllegalArgumentException("the timeout is " + timeout + ": give a positive duration");
        }
        if (deferrable && (isolation != Isolation.SERIALIZABLE || access != Access.READ_ONLY)) {
            throw new IllegalArgumentException(
                    "DEFERRABLE has no effect unless SERIALIZABLE and READ ONLY (manual, SET TRANSACTION): ask for both");
        }
        if (idempotencyKey != null && access == Access.READ_ONLY) {
            throw new IllegalArgumentException("a read-only call writes no row and so cannot have an idempotency key: leave the"
                    + " key out, or let the call write");
        }
        if (idempotencyKey != null && !ServerText.isStorable(label)) {
            throw new IllegalArgumentException("the label is kept with the idempotency key, and has a NUL or half a surrogate"
                    + " pair, which PostgreSQL cannot keep: give plain text");
        }
        if (deadLetter != null) {
            if (access == Access.READ_ONLY) {
                throw new IllegalArgumentException("a read-only call changes nothing that could be done later, and so cannot have a"
                        + " dead letter: leave the letter out, or let the call write");
            }
            DeadLetter.requirePayload(deadLetter);
            DeadLetter.requireStorable("label", label);
        }
    }

    /** The session's isolation, writable, {@value #DEFAULT_TIMEOUT_SECONDS} seconds, no label. */
    public static TransactionOptions defaults() {
        return DEFAULTS;
    }

    /** The defaults at READ COMMITTED. */
    public static TransactionOptions readCommitted() {
        return DEFAULTS.withIsolation(Isolation.READ_COMMITTED);
    }

    /** The defaults at REPEATABLE READ. */
    public static TransactionOptions repeatableRead() {
        return DEFAULTS.withIsolation(Isolation.REPEATABLE_READ);
    }

    /** The defaults at SERIALIZABLE. */
    public static TransactionOptions serializable() {
        return DEFAULTS.withIsolation(Isolation.SERIALIZABLE);
    }

    /** The defaults, read-only. */
    public static TransactionOptions readOnly() {
        return DEFAULTS.withAccess(Access.READ_ONLY);
    }

    /** The defaults with an idempotency key that keeps no result; see {@link #withIdempotencyKey(IdempotencyKey)}. */
    public static TransactionOptions idempotencyKey(String key) {
        return DEFAULTS.withIdempotencyKey(IdempotencyKey.of(key));
    }

    /** The defaults with an idempotency key; see {@link #withIdempotencyKey(IdempotencyKey)}. */
    public static TransactionOptions idempotencyKey(IdempotencyKey key) {
        return DEFAULTS.withIdempotencyKey(key);
    }

    /** These options at another isolation level. */
    public TransactionOptions withIsolation(Isolation level) {
        return new TransactionOptions(level, access, deferrable, timeout, deadline, label, evidenceAtBegin, idempotencyKey,
                verification, deadLetter);
    }

    /** These options with another access mode. */
    public TransactionOptions withAccess(Access mode) {
        return new TransactionOptions(isolation, mode, deferrable, timeout, deadline, label, evidenceAtBegin, idempotencyKey,
                verification, deadLetter);
    }

    /** These options as SERIALIZABLE READ ONLY DEFERRABLE: waits for a snapshot that needs no conflict checks. */
    public TransactionOptions asDeferrable() {
        return new TransactionOptions(Isolation.SERIALIZABLE, Access.READ_ONLY, true, timeout, deadline, label, evidenceAtBegin, idempotencyKey,
                verification, deadLetter);
    }

    /**
     * These options with a limit in time from the call's start; replaces a deadline.
     *
     * @throws IllegalArgumentException if it is not positive
     */
    public TransactionOptions withTimeout(Duration limit) {
        Objects.requireNonNull(limit, "timeout is null: give a Duration");
        return new TransactionOptions(isolation, access, deferrable, limit, null, label, evidenceAtBegin, idempotencyKey,
                verification, deadLetter);
    }

    /** These options with the moment that a caller further up has set; replaces the timeout. */
    public TransactionOptions withDeadline(Instant moment) {
        Objects.requireNonNull(moment, "deadline is null: give an Instant");
        return new TransactionOptions(isolation, access, deferrable, null, moment, label, evidenceAtBegin, idempotencyKey,
                verification, deadLetter);
    }

    /** These options with a name for logs and events. */
    public TransactionOptions withLabel(String name) {
        return new TransactionOptions(isolation, access, deferrable, timeout, deadline, name, evidenceAtBegin, idempotencyKey,
                verification, deadLetter);
    }

    /**
     * These options with the evidence taken at BEGIN rather than before COMMIT. That saves a round trip where BEGIN needs a
     * message anyway, that is, where an isolation level is given. The price: under REPEATABLE READ and SERIALIZABLE the
     * snapshot is taken there and then, so that a {@code LOCK TABLE} followed by a SELECT no longer sees what was committed
     * while the lock was waited for (measured), and {@code SET TRANSACTION SNAPSHOT} fails.
     */
    public TransactionOptions withEvidenceAtBegin() {
        return new TransactionOptions(isolation, access, deferrable, timeout, deadline, label, true, idempotencyKey,
                verification, deadLetter);
    }

    /**
     * These options with a name for the work, under which it takes effect at most once, across threads, processes and
     * restarts, as long as its row in the ledger is kept: a repeat returns the stored result and does not run the function.
     * Needs an engine that writes a ledger. The call's label and the key's fingerprint and codec must be those of the first
     * call, else it ends in an {@link IdempotencyConflictException}.
     */
    public TransactionOptions withIdempotencyKey(IdempotencyKey key) {
        Objects.requireNonNull(key, "idempotencyKey is null: give one, or leave it out");
        return new TransactionOptions(isolation, access, deferrable, timeout, deadline, label, evidenceAtBegin, key, verification,
                deadLetter);
    }

    /**
     * These options with the call's own way to find out whether it was committed, asked when nothing else of the engine's has
     * an answer. It is asked once the abandoned backend is seen ended, so that what it does not find cannot come later.
     */
    public TransactionOptions withVerification(CommitVerification look) {
        Objects.requireNonNull(look, "verification is null: give one, or leave it out");
        return new TransactionOptions(isolation, access, deferrable, timeout, deadline, label, evidenceAtBegin, idempotencyKey, look,
                deadLetter);
    }

    /**
     * These options with a letter to the builder's {@link ConnectTransactRetryBuilder#deadLetters deadLetters} should the call
     * fail for good or stay unknown. Every exception that the caller gets makes a letter, but
     * {@link IdempotencyConflictException}: there is nothing left to do again under that key. A call that does not begin, on
     * a closed engine or inside another call's function, makes none.
     *
     * @param payload what the work is to be done again by, for example the order as JSON; it is kept as it is, in the log too if
     *                nothing else takes the letter, so <b>put no secret into it</b>; not null, at most
     *                {@value DeadLetter#LONGEST_PAYLOAD} characters
     * @throws IllegalArgumentException if it is too long, or no plain text
     */
    public TransactionOptions withDeadLetter(String payload) {
        DeadLetter.requirePayload(payload);
        return new TransactionOptions(isolation, access, deferrable, timeout, deadline, label, evidenceAtBegin, idempotencyKey,
                verification, payload);
    }
}
