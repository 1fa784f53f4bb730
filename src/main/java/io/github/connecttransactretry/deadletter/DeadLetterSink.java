package io.github.connecttransactretry.deadletter;

import java.time.Duration;
import java.util.Objects;

/**
 * Where letters go. Called on the thread of the call that failed, after the call's end, with the interrupt flag put aside, by
 * many threads at once. It has to end by itself; {@link #within} sees to that for one that may hang. A letter that comes
 * twice has the same id.
 */
@FunctionalInterface
public interface DeadLetterSink {

    /**
     * Keeps a letter. When it returns, the letter is safe.
     *
     * @param letter not null
     * @throws Exception if the letter may not be safe; the caller of the failed call still gets what it threw
     */
    void put(DeadLetter letter) throws Exception;

    /**
     * This sink, and another one for the letters that it does not take. If both throw, so does the whole, with the second's
     * exception as its cause and the first's as a suppressed one. A letter whose keeping was in doubt may be in both, under one id.
     *
     * @param second not null
     */
    default DeadLetterSink orElse(DeadLetterSink second) {
        Objects.requireNonNull(second, "second is null: give the sink for the letters that this one does not take");
        return letter -> {
            try {
                put(letter);
            } catch (Throwable first) {
                try {
                    second.put(letter);
                } catch (Throwable both) {
                    // Not added to the second's, which is the sink's own and may be the same each time.
                    IllegalStateException neither = new IllegalStateException("neither sink has kept the dead letter", both);
                    neither.addSuppressed(first);
                    throw neither;
                }
            }
        };
    }

    /**
     * This sink, run on threads of its own, so that nobody waits longer than this for it. What comes too late may still be
     * kept. At most 64 at once; a call that has to wait for its turn waits within its time.
     *
     * @param limit positive, not null
     * @throws IllegalArgumentException if the limit is not positive
     */
    default DeadLetterSink within(Duration limit) {
        TimeLimit time = new TimeLimit(limit);
        return letter -> time.run(() -> put(letter), () -> { });
    }
}
