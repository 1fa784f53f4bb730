package io.github.connecttransactretry.pacing;

import io.github.connecttransactretry.ground.TimeSource;

/**
 * How many attempts may be made again in a time, by all calls that share it: a token bucket. A retry takes a token, and tokens
 * come back at a steady rate, up to as many as the bucket holds. When a server is in trouble, every caller retries; without
 * a common limit their retries are most of what the server then has to do. A call's first attempt takes none, and neither does
 * finding out about a COMMIT in doubt.
 *
 * <p>Given to one engine or to several. Thread-safe.
 */
public final class RetryBudget {

    private static final double NANOS_PER_SECOND = 1e9;

    private final int most;
    private final double perSecond;
    private double tokens;
    private long countedAtNanos;
    /** The clock of whoever took a token last, null before. */
    private TimeSource clock;
    private long taken;
    private long refused;

    private RetryBudget(int most, double perSecond) {
        this.most = most;
        this.perSecond = perSecond;
        this.tokens = most;
    }

    /**
     * A full bucket.
     *
     * @param most      how many retries it allows at once, at least 1
     * @param perSecond how many come back in a second, more than 0
     * @return a new budget
     * @throws IllegalArgumentException if one of them is out of its bounds
     */
    public static RetryBudget of(int most, double perSecond) {
        if (most < 1) {
            throw new IllegalArgumentException("the most retries at once are " + most + ": give 1 or more");
        }
        if (!(perSecond > 0) || Double.isInfinite(perSecond)) {
            throw new IllegalArgumentException("the retries that come back in a second are " + perSecond
                    + ": give a number more than 0");
        }
        return new RetryBudget(most, perSecond);
    }

    /**
     * Takes a token if there is one.
     *
     * @param time the clock that tokens come back by; the same at each call, not null
     * @return whether there was one
     */
    public synchronized boolean tryTake(TimeSource time) {
        refill(time);
        if (tokens < 1) {
            refused++;
            return false;
        }
        tokens--;
        taken++;
        return true;
    }

    private void refill(TimeSource time) {
        long now = time.nanoTime();
        if (clock != null) {
            tokens = Math.min(most, tokens + Math.max(0, now - countedAtNanos) * perSecond / NANOS_PER_SECOND);
        }
        clock = time;
        countedAtNanos = now;
    }

    /** Where it stands now. */
    public synchronized Counts counts() {
        if (clock != null) {
            refill(clock);
        }
        return new Counts((int) tokens, taken, refused);
    }

    /**
     * Where a budget stands.
     *
     * @param left    whole tokens
     * @param taken   retries that it has allowed
     * @param refused retries that it has not
     */
    public record Counts(int left, long taken, long refused) {
    }

    /** What it allows. */
    @Override
    public String toString() {
        return most + " retries at once, " + perSecond + " more in a second";
    }
}
