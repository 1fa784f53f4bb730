package io.github.connecttransactretry.lab;

import java.time.Duration;
import java.util.Objects;

/**
 * When a fault begins: at a point of a call, or at a time of the run. Immutable.
 *
 * @param point of a call's first attempt
 * @param every at a point of a call: of the calls with numbers divisible by this; else 0
 * @param after how long after the point was reached, or after the work began
 */
public record Moment(Point point, int every, Duration after) {

    /** Where a call may be when a fault begins. */
    public enum Point {

        /** Before the first connection is opened; what begins here stays to the end. */
        OPENING,
        /** When the work has begun: a moment that no call is at. */
        WORK,
        /** Between two calls of all threads: no call is under way, the pooled connections are idle. */
        IDLE,
        /** Between two statements of the function. */
        BODY,
        /** After the function's last statement. */
        BEFORE_COMMIT,
        /** When a call has returned or thrown whose COMMIT was in doubt. */
        AFTER_DOUBT
    }

    /** Checks for null. */
    public Moment {
        Objects.requireNonNull(point, "point");
        Objects.requireNonNull(after, "after");
    }

    boolean isAt(Point reached, int call) {
        return point == reached && every > 0 && call % every == 0;
    }
}
