package io.github.connecttransactretry.pacing;

import java.time.Duration;
import java.util.Objects;
import java.util.function.DoubleSupplier;

/**
 * A delay before a repeated attempt, as a function; jitter is a decorator around it. Implementations keep no state and are
 * thread-safe: all delays can be reproduced from the random numbers given.
 *
 * <p>The jitters are those of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 */
@FunctionalInterface
public interface Backoff {

    /**
     * The delay before the next attempt.
     *
     * @param repeat   1 before the first repetition, 2 before the second, and so on
     * @param previous the delay before the last repetition of this call on this curve, zero before the first
     * @param random   numbers uniform in [0, 1)
     * @return never null or negative
     */
    Duration delay(int repeat, Duration previous, DoubleSupplier random);

    /** No delay at all. */
    static Backoff none() {
        return (repeat, previous, random) -> Duration.ZERO;
    }

    /**
     * The same delay each time.
     *
     * @param delay not null, not negative
     * @throws IllegalArgumentException if it is negative
     */
    static Backoff fixed(Duration delay) {
        requireNotNegative("delay", delay);
        return (repeat, previous, random) -> delay;
    }

    /**
     * {@code first}, then twice as much each time, up to {@code cap}.
     *
     * @param first the delay before the first repetition, not null, not negative
     * @param cap   the longest delay, not null, not less than {@code first}
     * @throws IllegalArgumentException if one is negative, or the cap less than the first
     */
    static Backoff exponential(Duration first, Duration cap) {
        requireNotNegative("first delay", first);
        requireNotNegative("cap", cap);
        if (cap.compareTo(first) < 0) {
            throw new IllegalArgumentException("the cap " + cap + " is less than the first delay " + first + ": swap them");
        }
        return (repeat, previous, random) -> {
            // Past 2^62 the product has long met any cap, and the shift itself would overflow.
            double factor = Math.pow(2, Math.min(62, Math.max(0, repeat - 1)));
            double nanos = nanos(first) * factor;
            return nanos >= nanos(cap) ? cap : Duration.ofNanos((long) nanos);
        };
    }

    /** This delay, drawn anew between zero and itself: the best spread, and sometimes no wait at all. */
    default Backoff withFullJitter() {
        return (repeat, previous, random) -> scaled(delay(repeat, previous, random), random.getAsDouble());
    }

    /** This delay, drawn anew between its half and itself. */
    default Backoff withEqualJitter() {
        return (repeat, previous, random) -> scaled(delay(repeat, previous, random), 0.5 + random.getAsDouble() / 2);
    }

    /**
     * A delay between this curve's first one and three times the previous delay, never more than {@code cap}: it grows as
     * an exponential does, but no two callers grow alike.
     *
     * @param cap the longest delay, not null, not negative
     * @throws IllegalArgumentException if it is negative
     */
    default Backoff withDecorrelatedJitter(Duration cap) {
        requireNotNegative("cap", cap);
        return (repeat, previous, random) -> {
            long least = nanos(delay(1, Duration.ZERO, random));
            long most = Math.max(least, Math.min(nanos(cap), 3 * Math.max(least, nanos(previous))));
            long drawn = least + (long) ((most - least) * random.getAsDouble());
            return Duration.ofNanos(Math.min(nanos(cap), drawn));
        };
    }

    private static Duration scaled(Duration delay, double factor) {
        return Duration.ofNanos((long) (nanos(delay) * factor));
    }

    /** "No cap" is often said with a duration that is too long for a number of nanoseconds; 95 years will do, and can be tripled. */
    private static long nanos(Duration duration) {
        return Math.min(duration.getSeconds(), 3_000_000_000L) * 1_000_000_000L + duration.toNanosPart();
    }

    private static void requireNotNegative(String name, Duration value) {
        if (Objects.requireNonNull(value, () -> name + " is null: give a Duration").isNegative()) {
            throw new IllegalArgumentException("the " + name + " " + value + " is negative: give zero or more");
        }
    }
}
