package io.github.connecttransactretry.observe;

import io.github.connecttransactretry.ground.StaleVersion;
import java.math.BigDecimal;
import java.time.Duration;

/**
 * A version that a writer had seen, and the one that it met. Immutable.
 *
 * @param expected the version that the writer had seen, as text, cut to {@value #LONGEST} characters; null if none
 * @param actual   the version that the row was at, likewise; null if the row was gone or had none
 * @param steps    the actual one less the expected one, or null if they are no numbers
 * @param time     the time between them, or null if they are no points in time
 */
public record VersionGap(String expected, String actual, BigDecimal steps, Duration time) {

    /** As long as an OffsetDateTime with all its digits, and a UUID. */
    private static final int LONGEST = 40;

    /** Of what says so. */
    static VersionGap of(StaleVersion stale) {
        return new VersionGap(text(stale.expected()), text(stale.actual()), stale.gap().orElse(null), stale.timeGap().orElse(null));
    }

    private static String text(Object version) {
        return version == null ? null : Conflict.cut(version instanceof byte[] ? "bytes" : version.toString(), LONGEST);
    }

    /** Whether it is farther than another of the same kind; farther than none at all. */
    boolean isWiderThan(VersionGap other) {
        if (steps == null && time == null) {
            return false;
        }
        if (other == null) {
            return true;
        }
        if (steps != null && other.steps != null) {
            return steps.abs().compareTo(other.steps.abs()) > 0;
        }
        return time != null && other.time != null && time.abs().compareTo(other.time.abs()) > 0;
    }

    /** The gap alone, as text; {@code gone} if there is no actual version, a question mark if it cannot be told. */
    public String distance() {
        if (steps != null) {
            return Conflict.cut(steps.toPlainString(), LONGEST);
        }
        return time != null ? time.toString() : actual == null ? "gone" : "?";
    }

    /** In a few words: the two versions and the gap. */
    @Override
    public String toString() {
        return expected + " -> " + actual + " (" + distance() + ")";
    }
}
