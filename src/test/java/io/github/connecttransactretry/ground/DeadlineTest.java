package io.github.connecttransactretry.ground;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DeadlineTest {

    private static final Duration SECOND = Duration.ofSeconds(1);

    private final ManualTime time = new ManualTime();

    /** A clock that stands still until it is told; it starts where a long overflows soon. */
    private static final class ManualTime implements TimeSource {

        private long nanos = Long.MAX_VALUE - 500_000_000L;

        void pass(Duration duration) {
            nanos += duration.toNanos();
        }

        @Override
        public long nanoTime() {
            return nanos;
        }

        @Override
        public Instant now() {
            throw new AssertionError("a deadline is measured by the monotonic clock alone");
        }

        @Override
        public void sleep(Duration duration) {
            throw new AssertionError("a deadline waits for nobody");
        }

        @Override
        public double random() {
            throw new AssertionError("a deadline leaves nothing to chance");
        }
    }

    @Test
    void itComesNearerAndPassesAlsoWhereTheClockOverflows() {
        Deadline deadline = Deadline.after(time, SECOND);
        assertEquals(SECOND, deadline.remaining());
        time.pass(Duration.ofMillis(999));
        assertEquals(Duration.ofMillis(1), deadline.remaining());
        assertFalse(deadline.hasPassed());
        time.pass(Duration.ofMillis(1));
        assertEquals(Duration.ZERO, deadline.remaining());
        assertTrue(deadline.hasPassed());
        time.pass(SECOND);
        assertEquals(Duration.ZERO, deadline.remaining(), "never negative");
        assertTrue(deadline.hasPassed());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, Long.MIN_VALUE})
    void nothingOrLessHasPassedAlready(long seconds) {
        Deadline deadline = Deadline.after(time, Duration.ofSeconds(seconds));
        assertTrue(deadline.hasPassed());
        assertEquals(Duration.ZERO, deadline.remaining());
        assertEquals(1, deadline.toNetworkTimeoutMillis());
    }

    @Test
    void forEverIsAHundredYears() {
        Deadline deadline = Deadline.after(time, Duration.ofSeconds(Long.MAX_VALUE));
        assertEquals(Duration.ofDays(36_500), deadline.remaining());
        assertFalse(deadline.hasPassed());
        assertEquals(Integer.MAX_VALUE, deadline.toNetworkTimeoutMillis());
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "0.5, 500", "0.25, 250", "1, 1000"})
    void aShareLeavesTheRest(double fraction, long millis) {
        Deadline deadline = Deadline.after(time, SECOND);
        assertEquals(Duration.ofMillis(millis), deadline.share(fraction).remaining());
        assertEquals(SECOND, deadline.remaining());
        time.pass(Duration.ofMillis(600));
        assertEquals(Duration.ofNanos((long) (400_000_000 * fraction)), deadline.share(fraction).remaining(), "of what remains now");
        time.pass(SECOND);
        assertTrue(deadline.share(fraction).hasPassed());
    }

    @Test
    void theEarlierOfTwo() {
        Deadline deadline = Deadline.after(time, SECOND);
        assertSame(deadline, deadline.within(Duration.ofSeconds(2)));
        assertSame(deadline, deadline.within(SECOND));
        assertEquals(Duration.ofMillis(300), deadline.within(Duration.ofMillis(300)).remaining());
        assertSame(deadline, deadline.within(Duration.ofSeconds(Long.MAX_VALUE)));
    }

    /** JDBC takes 0 for "no timeout", which would be the opposite of "none left". */
    @ParameterizedTest
    @CsvSource({"1, 1", "999999, 1", "1000000, 1", "1000001, 2", "1500000000, 1500", "0, 1"})
    void networkTimeoutsAreRoundedUpAndNeverZero(long nanos, int millis) {
        assertEquals(millis, Deadline.after(time, Duration.ofNanos(nanos)).toNetworkTimeoutMillis());
    }
}
