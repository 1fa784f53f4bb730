package io.github.connecttransactretry.pacing;

import java.time.Duration;
import java.util.Objects;

/**
 * How often and how fast a call is repeated. The deadline of the call bounds it in any case. Immutable and thread-safe.
 *
 * @param maxAttempts      the most attempts of one call, the first included; at least 1. {@link #UNLIMITED} is the default,
 *                         since a limit in time says what a caller means and a count does not
 * @param maxBodyLosses    how often a connection may be lost inside the function and the function be repeated all the same;
 *                         at least 0. A query that crashes its own backend takes every session of the server with it, so
 *                         that repeating it for as long as the deadline allows would keep the server down
 * @param maxDoubtful      how often a failure is repeated that may as well be a mistake, at least 0: 08P01 (PgBouncer says
 *                         all its troubles so, and without a pooler it is a client's mistake), and a constraint violation
 *                         under SERIALIZABLE where the classifier was told to retry those
 * @param conflict         the delays after {@link Pace#CONFLICT}, not null
 * @param outage           the delays after {@link Pace#OUTAGE}, not null
 * @param overload         the delays after {@link Pace#OVERLOAD}, not null
 */
public record RetryPolicy(int maxAttempts, int maxBodyLosses, int maxDoubtful,
                          Backoff conflict, Backoff outage, Backoff overload) {

    /** As many attempts as the deadline allows. */
    public static final int UNLIMITED = Integer.MAX_VALUE;

    /** Checks the numbers. */
    public RetryPolicy {
        requireAtLeast("maxAttempts", maxAttempts, 1);
        requireAtLeast("maxBodyLosses", maxBodyLosses, 0);
        requireAtLeast("maxDoubtful", maxDoubtful, 0);
        Objects.requireNonNull(conflict, "conflict is null: give a Backoff, Backoff.none() for no delay");
        Objects.requireNonNull(outage, "outage is null: give a Backoff, Backoff.none() for no delay");
        Objects.requireNonNull(overload, "overload is null: give a Backoff, Backoff.none() for no delay");
    }

    /**
     * Unlimited attempts; conflicts after up to 2, 4, ... 100 ms; outages after 25 to 50 ms, 50 to 100 ms, ... up to 1 s;
     * overload after 0.5 to 1 s, ... up to 10 s.
     */
    public static RetryPolicy defaults() {
        return new RetryPolicy(UNLIMITED, 2, 2,
                Backoff.exponential(Duration.ofMillis(2), Duration.ofMillis(100)).withFullJitter(),
                Backoff.exponential(Duration.ofMillis(50), Duration.ofSeconds(1)).withEqualJitter(),
                Backoff.exponential(Duration.ofSeconds(1), Duration.ofSeconds(10)).withEqualJitter());
    }

    /** The curve of a pace. */
    public Backoff curve(Pace pace) {
        switch (pace) {
            case CONFLICT:
                return conflict;
            case OVERLOAD:
                return overload;
            default:
                return outage;
        }
    }

    /**
     * This policy with another limit of attempts.
     *
     * @throws IllegalArgumentException if it is less than 1
     */
    public RetryPolicy withMaxAttempts(int attempts) {
        return new RetryPolicy(attempts, maxBodyLosses, maxDoubtful, conflict, outage, overload);
    }

    /**
     * This policy with another limit of connections lost inside the function.
     *
     * @throws IllegalArgumentException if it is less than 0
     */
    public RetryPolicy withMaxBodyLosses(int losses) {
        return new RetryPolicy(maxAttempts, losses, maxDoubtful, conflict, outage, overload);
    }

    /** This policy with another curve for conflicts. */
    public RetryPolicy withConflictBackoff(Backoff backoff) {
        return new RetryPolicy(maxAttempts, maxBodyLosses, maxDoubtful, backoff, outage, overload);
    }

    /** This policy with another curve for outages. */
    public RetryPolicy withOutageBackoff(Backoff backoff) {
        return new RetryPolicy(maxAttempts, maxBodyLosses, maxDoubtful, conflict, backoff, overload);
    }

    /** This policy with another curve for an overloaded server. */
    public RetryPolicy withOverloadBackoff(Backoff backoff) {
        return new RetryPolicy(maxAttempts, maxBodyLosses, maxDoubtful, conflict, outage, backoff);
    }

    private static void requireAtLeast(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " is " + value + ": give " + least + " or more");
        }
    }
}
