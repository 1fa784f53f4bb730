package io.github.connecttransactretry.classify;

import java.util.Objects;

/**
 * A failure as a classifier sees it. Immutable.
 *
 * @param phase          where it happened, not null
 * @param thrown         what was thrown, not null
 * @param sqlState       the SQLSTATE that explains it (see {@link SqlState#of}), or null if it carries none
 * @param serverRoutine  the server's function that raised it, never localised, or null if the driver cannot tell
 * @param connectionLost whether the connection is known to be closed
 * @param writable       whether the call asked for a transaction that may write, and the server is not known to allow it: then
 *                       a 25006 is the server's doing and not the function's
 * @param serializable   whether the call asked for SERIALIZABLE
 */
public record Failure(Phase phase, Throwable thrown, String sqlState, String serverRoutine,
                      boolean connectionLost, boolean writable, boolean serializable) {

    /** Checks for null. */
    public Failure {
        Objects.requireNonNull(phase, "phase");
        Objects.requireNonNull(thrown, "thrown");
    }
}
