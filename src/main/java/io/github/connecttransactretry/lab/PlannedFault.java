package io.github.connecttransactretry.lab;

import java.time.Duration;
import java.util.Objects;

/**
 * One line of a scenario's time line. Immutable.
 *
 * @param what   the fault
 * @param moment when it begins
 * @param lasts  how long it lasts, for those that are over some time
 * @param times  how often it is done at most
 * @param pause  between the end of one and the next beginning, for those that begin by the clock
 */
public record PlannedFault(Fault what, Moment moment, Duration lasts, int times, Duration pause) {

    /** Checks for null. */
    public PlannedFault {
        Objects.requireNonNull(what, "what");
        Objects.requireNonNull(moment, "moment");
        Objects.requireNonNull(lasts, "lasts");
        Objects.requireNonNull(pause, "pause");
    }

    /** Whether it begins by the clock rather than at a point of a call. */
    boolean isByTheClock() {
        return moment.point() == Moment.Point.WORK;
    }
}
