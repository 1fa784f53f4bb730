package io.github.connecttransactretry.chaos;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** The only place of the tools for tests that sleeps: polls a condition until it holds, never longer than a bound. */
public final class Await {

    private static final long FIRST_PAUSE_NANOS = 500_000;

    // Long enough not to burn one of two cores, short enough not to be seen in a test of some hundred ms.
    private static final long LONGEST_PAUSE_NANOS = 20_000_000;

    private Await() {
    }

    /** Something that is true or not yet true. An exception counts as "not yet". */
    @FunctionalInterface
    public interface Condition {

        /**
         * Looks once.
         *
         * @return whether it holds now
         * @throws Exception counts as "not yet"; the last one becomes the cause of the failure at the bound
         */
        boolean holds() throws Exception;
    }

    /**
     * Waits until the condition holds. The condition is looked at once at least, and once more after the bound. Safe
     * from any thread.
     *
     * @param what what is waited for, in words that end the sentence "waited 5 s for ..."
     * @param atMost the bound; a condition that itself blocks is not cut short
     * @param condition what must become true
     * @throws IllegalStateException when the bound is over, with the condition's last exception as its cause, or when
     *     the thread is interrupted (the flag stays set)
     */
    public static void until(String what, Duration atMost, Condition condition) {
        long begun = System.nanoTime();
        long pause = FIRST_PAUSE_NANOS;
        while (true) {
            boolean last = System.nanoTime() - begun >= atMost.toNanos();
            Exception obstacle = null;
            try {
                if (condition.holds()) {
                    return;
                }
            } catch (Exception notYet) {
                obstacle = notYet;
            }
            if (last) {
                throw new IllegalStateException("waited " + atMost.toMillis() + " ms in vain for " + what, obstacle);
            }
            if (Thread.currentThread().isInterrupted()) {
                throw new IllegalStateException("interrupted while waiting for " + what, obstacle);
            }
            LockSupport.parkNanos(pause);
            pause = Math.min(pause * 2, LONGEST_PAUSE_NANOS);
        }
    }
}
