package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.deadletter.DeadLetterBox;
import io.github.connecttransactretry.observe.AttemptFailure;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** The letters of a box being taken up, one after another. For one thread. */
final class TakingUpAll {

    private final ConnectTransactRetry executor;
    private final TransactionOptions options;
    private final DeadLetterBox box;
    private final DeadLetterWork work;
    private final List<TakeUpReport.Failure> failed = new ArrayList<>();
    private Throwable thrownByWork;
    private int done;
    private int before;

    TakingUpAll(ConnectTransactRetry executor, TransactionOptions options, DeadLetterBox box, DeadLetterWork work) {
        this.executor = executor;
        this.options = Objects.requireNonNull(options, "options is null: give TransactionOptions.defaults() for nothing special");
        this.box = Objects.requireNonNull(box, "box is null: give the one with the letters");
        this.work = Objects.requireNonNull(work, "work is null: give what is to be done for a letter");
    }

    TakeUpReport run() throws Exception {
        List<DeadLetter> letters = box.open();
        int seen = 0;
        for (DeadLetter letter : letters) {
            seen++;
            try {
                takeUp(letter);
            } catch (Exception thrown) {
                failed.add(new TakeUpReport.Failure(letter, thrown));
                if (isHopeless(thrown)) {
                    break;
                }
            }
        }
        return new TakeUpReport(done, before, failed, letters.size() - seen);
    }

    private void takeUp(DeadLetter letter) throws Exception {
        boolean now = executor.<Exception>takeUp(options, letter, tx -> {
            apply(tx, letter);
            box.done(tx.connection(), letter);
        });
        if (now) {
            done++;
            return;
        }
        if (box.keepsMarks()) {
            executor.execute(options.withLabel(letter.label()), tx -> box.done(tx.connection(), letter));
        }
        before++;
    }

    private void apply(Transaction tx, DeadLetter letter) throws Exception {
        try {
            work.apply(tx, letter);
        } catch (Throwable thrown) {
            thrownByWork = thrown;
            throw thrown;
        }
    }

    /** The next letters would fare no better. What the work threw, perhaps of another database, says nothing of them. */
    private boolean isHopeless(Exception thrown) {
        if (thrown instanceof InterruptedException || thrown instanceof TransactionInterruptedException
                || Thread.currentThread().isInterrupted()) {
            return true;
        }
        if (!(thrown instanceof TransactionRetryException) || thrown == thrownByWork) {
            return false;
        }
        List<AttemptFailure> failures = ((TransactionRetryException) thrown).failures();
        AttemptFailure last = failures.isEmpty() ? null : failures.get(failures.size() - 1);
        return last != null && last.phase() == Phase.CONNECT
                && (last.sqlState() == null || SqlState.isConnectionLoss(last.sqlState()));
    }
}
