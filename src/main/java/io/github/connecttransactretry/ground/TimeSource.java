package io.github.connecttransactretry.ground;

import java.time.Duration;
import java.time.Instant;

/**
 * The engine's only seam to the world's clock, sleep and chance, so that tests can hold all three. Implementations are
 * safe for use by many threads.
 */
public interface TimeSource {

    /** A monotonic reading in nanoseconds, of use only as a difference (as {@link System#nanoTime()}). */
    long nanoTime();

    /** The wall clock; used for absolute deadlines alone, never to measure how long something took. */
    Instant now();

    /**
     * Waits on the calling thread.
     *
     * @param duration how long; zero or negative returns at once
     * @throws InterruptedException if the thread is interrupted before or while it waits
     */
    void sleep(Duration duration) throws InterruptedException;

    /** A random number, uniform in [0, 1), for jitter alone. */
    double random();

    /** The system's clock, {@code Thread.sleep} and {@code ThreadLocalRandom}. */
    static TimeSource system() {
        return SystemTime.INSTANCE;
    }
}
