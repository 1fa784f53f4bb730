package io.github.connecttransactretry;

import io.github.connecttransactretry.deadletter.DeadLetter;
import java.util.List;

/**
 * What became of the letters of a box. Immutable.
 *
 * @param done    how many took effect now
 * @param before  how many had taken effect before
 * @param failed  those that can be taken up again, or that somebody has to look at, not null
 * @param skipped how many were not come to, because the server cannot be connected to or the thread was interrupted
 */
public record TakeUpReport(int done, int before, List<Failure> failed, int skipped) {

    /** Copies. */
    public TakeUpReport {
        failed = List.copyOf(failed);
    }

    /**
     * A letter that was not done.
     *
     * @param letter which
     * @param thrown why
     */
    public record Failure(DeadLetter letter, Exception thrown) {
    }
}
