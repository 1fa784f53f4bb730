package io.github.connecttransactretry;

import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;

/** One letter being taken up. */
final class TakingUp {

    private final ConnectTransactRetry executor;
    private final TransactionOptions options;
    private final DeadLetter letter;

    TakingUp(ConnectTransactRetry executor, TransactionOptions options, DeadLetter letter) {
        this.executor = executor;
        Objects.requireNonNull(options, "options is null: give TransactionOptions.defaults() for nothing special");
        // Of all of its calls together: the question what became of it, the look for its key, the work.
        this.options = options.timeout() == null ? options : options.withDeadline(executor.now().plus(options.timeout()));
        this.letter = Objects.requireNonNull(letter, "letter is null: give one that a DeadLetterBox holds");
        if (options.idempotencyKey() != null || options.deadLetter() != null) {
            throw new IllegalArgumentException("the options have " + (options.deadLetter() != null ? "a dead letter of their own"
                    : "an idempotency key") + ", and a letter is taken up under its own: leave that out");
        }
    }

    <X extends Exception> boolean act(TransactionalAction<X> action) throws X {
        Objects.requireNonNull(action, "action is null: give what is to be done in the transaction");
        requireCodec(ResultCodec.none(), "takeUp with its codec and a function");
        AtomicBoolean now = new AtomicBoolean();
        AtomicBoolean undone = new AtomicBoolean();
        if (isCommitted(ResultCodec.none())) {
            leaveMark();
        } else {
            executor.run(keyed(ResultCodec.none()), tx -> {
                action.apply(tx);
                tx.afterCommit(() -> now.set(true));
                undone.set(tx.isRollbackOnly());
                return null;
            });
        }
        if (undone.get()) {
            // Neither done now nor before: it may not be marked as done.
            throw Refusals.rolledBack(letter);
        }
        return now.get();
    }

    /** Without a key of its own nothing says later, when its id can no longer be asked about, that it was found committed. */
    private void leaveMark() {
        if (letter.idempotencyKey() == null) {
            executor.run(keyed(ResultCodec.none()), tx -> null);
        }
    }

    <T, X extends Exception> T run(ResultCodec<T> codec, TransactionalFunction<T, X> function) throws X {
        Objects.requireNonNull(codec, "codec is null: give the one of the letter's key");
        Objects.requireNonNull(function, "function is null: give what is to be done in the transaction");
        requireCodec(codec, letter.codec() == null ? "takeUp without a codec" : "takeUp with that codec");
        if (isCommitted(codec)) {
            TransactionalFunction<T, RuntimeException> never = tx -> {
                throw Refusals.resultGone(letter);
            };
            return executor.run(keyed(codec), never);
        }
        return executor.run(keyed(codec), function);
    }

    /** With another codec the repeat of the letter's call would no longer be recognised as one. */
    private void requireCodec(ResultCodec<?> codec, String mend) {
        String wanted = letter.codec() == null ? ResultCodec.none().name() : letter.codec();
        if (!codec.name().equals(wanted)) {
            throw new IllegalArgumentException("the call of the dead letter " + letter.id() + " keeps its result by the codec "
                    + wanted + ", not by " + codec.name() + ": call " + mend);
        }
    }

    private TransactionOptions keyed(ResultCodec<?> codec) {
        IdempotencyKey plain = IdempotencyKey.of(letter.takeUpKey()).withResult(codec);
        IdempotencyKey key = letter.fingerprint() == null ? plain : plain.withFingerprint(letter.fingerprint());
        // One who holds the letter's own key may be about to commit unclaimed; under a key made from the letter all claim.
        return options.withLabel(letter.label()).withIdempotencyKey(letter.idempotencyKey() == null ? key.claimedFirst() : key);
    }

    /**
     * Whether the work of a call that stayed unknown is done after all; if not, the call never will be committed.
     *
     * @throws TransactionRefusedException if neither can be proven
     */
    private boolean isCommitted(ResultCodec<?> codec) {
        if (!letter.unknown()) {
            return false;
        }
        CommitOutcome outcome = letter.evidence() == null ? new CommitOutcome.Unknown("it has no evidence to ask by")
                : executor.resolve(options.withLabel(letter.label()), CommitEvidence.parse(letter.evidence()));
        if (outcome instanceof CommitOutcome.Unknown && !isKeyTaken(codec)) {
            throw Refusals.notTakenUp(letter, outcome.reason());
        }
        return !(outcome instanceof CommitOutcome.NotCommitted);
    }

    /** An id that could be asked about when the letter was taken up first may be a stranger's by now. */
    private boolean isKeyTaken(ResultCodec<?> codec) {
        AtomicBoolean free = new AtomicBoolean();
        executor.run(keyed(codec), tx -> {
            free.set(true);
            tx.rollbackOnly();
            return null;
        });
        return !free.get();
    }
}
