package io.github.connecttransactretry.ground;

import java.time.Duration;
import java.util.Objects;

/** A moment on the monotonic clock by which something has to be over. Immutable and thread-safe. */
public final class Deadline {

    private static final Duration FOREVER = Duration.ofDays(36_500);

    private final TimeSource time;
    private final long atNanos;

    private Deadline(TimeSource time, long atNanos) {
        this.time = time;
        this.atNanos = atNanos;
    }

    /**
     * The moment that lies {@code duration} ahead; a negative duration gives one that has passed already.
     *
     * @param time     the clock, not null
     * @param duration how far ahead, not null; more than a hundred years counts as a hundred years
     */
    public static Deadline after(TimeSource time, Duration duration) {
        Objects.requireNonNull(time, "time");
        Duration ahead = duration.isNegative() ? Duration.ZERO : duration.compareTo(FOREVER) > 0 ? FOREVER : duration;
        return new Deadline(time, time.nanoTime() + ahead.toNanos());
    }

    /** What is left, never negative. */
    public Duration remaining() {
        return Duration.ofNanos(Math.max(0, atNanos - time.nanoTime()));
    }

    /** Whether nothing is left. */
    public boolean hasPassed() {
        return atNanos - time.nanoTime() <= 0;
    }

    /**
     * An earlier deadline that leaves the rest for what comes afterwards.
     *
     * @param fraction the share of what remains now, in [0, 1]
     */
    public Deadline share(double fraction) {
        long left = Math.max(0, atNanos - time.nanoTime());
        return new Deadline(time, time.nanoTime() + (long) (left * fraction));
    }

    /** The earlier of this deadline and the one that lies {@code atMost} ahead. */
    public Deadline within(Duration atMost) {
        Deadline other = after(time, atMost);
        return other.atNanos - atNanos < 0 ? other : this;
    }

    /** What is left as JDBC wants a network timeout: whole milliseconds, rounded up, at least 1 (0 would mean none). */
    public int toNetworkTimeoutMillis() {
        long nanos = Math.max(0, atNanos - time.nanoTime());
        return (int) Math.max(1, Math.min(Integer.MAX_VALUE, (nanos + 999_999) / 1_000_000));
    }
}
