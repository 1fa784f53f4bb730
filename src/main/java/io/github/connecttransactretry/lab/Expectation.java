package io.github.connecttransactretry.lab;

import java.time.Duration;
import java.util.Objects;

/**
 * What a scenario must come to, besides no effect doubled, lost or wrong. A scenario whose faults hit nothing proves nothing,
 * hence the least numbers. Immutable.
 *
 * @param inDoubt   at least so many COMMITs were in doubt
 * @param committed of these at least so many proved committed
 * @param notCommitted of these at least so many proved not committed
 * @param retries   at least so many attempts were made again
 * @param failed    at least so many calls failed; if 0, none may
 * @param unknown   at least so many calls stayed unknown; if 0, none may
 * @param unknownByStatusAlone whether calls may stay unknown where there is no ledger, as after a crash
 * @param discards  whether a promotion may discard acknowledged calls, which no client can know
 * @param everyCallTakes each call that returned took at least so long
 * @param someCallTakes  one call that returned took at least so long
 */
public record Expectation(int inDoubt, int committed, int notCommitted, int retries, int failed, int unknown,
        boolean unknownByStatusAlone, boolean discards, Duration everyCallTakes, Duration someCallTakes) {

    /** Checks for null. */
    public Expectation {
        Objects.requireNonNull(everyCallTakes, "everyCallTakes");
        Objects.requireNonNull(someCallTakes, "someCallTakes");
    }

}
