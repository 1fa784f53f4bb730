package io.github.connecttransactretry.pacing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * How the delays are spread: each jitter is uniform over its own range, by a chi-square test whose threshold a true uniform
 * passes all but once in a hundred million runs (19 degrees of freedom), and no draw leaves the range.
 */
class BackoffDistributionTest {

    private static final int DRAWS = 40_000;
    private static final int CELLS = 20;
    private static final double MOST_CHI_SQUARE = 79;
    private static final Duration FIRST = Duration.ofMillis(10);
    private static final Duration CAP = Duration.ofMillis(700);
    private static final int[] REPEATS = {1, 2, 3, 7, 8, 63, 64, Integer.MAX_VALUE};

    private long seed;
    private Random random;

    @BeforeEach
    void seed() {
        seed = new Random().nextLong();
        random = new Random(seed);
        System.out.println("BackoffDistributionTest: seed " + seed);
    }

    private static long whole(int repeat) {
        return repeat > 7 ? CAP.toNanos() : FIRST.toNanos() << repeat - 1;
    }

    /** Where in its range each draw lies, from 0 to 1. */
    private void assertUniform(String what, IntFunction<Duration> draw, long least, long most) {
        int[] cells = new int[CELLS];
        double sum = 0;
        for (int i = 0; i < DRAWS; i++) {
            Duration delay = draw.apply(i);
            long nanos = delay.toNanos();
            assertTrue(nanos >= least && nanos <= most, () -> what + ": " + delay + ", seed " + seed);
            double place = (double) (nanos - least) / (most - least);
            sum += place;
            cells[(int) Math.min(CELLS - 1, place * CELLS)]++;
        }
        double expected = (double) DRAWS / CELLS;
        double chiSquare = 0;
        for (int cell : cells) {
            chiSquare += (cell - expected) * (cell - expected) / expected;
        }
        double seen = chiSquare;
        assertTrue(seen < MOST_CHI_SQUARE, () -> what + ": chi-square " + seen + ", seed " + seed);
        // The mean of uniform draws: one half, within 6 of its standard deviations.
        assertEquals(0.5, sum / DRAWS, 6 * Math.sqrt(1.0 / 12 / DRAWS), () -> what + ": mean, seed " + seed);
    }

    @Test
    void fullJitterIsUniformFromZero() {
        Backoff curve = Backoff.exponential(FIRST, CAP).withFullJitter();
        for (int repeat : REPEATS) {
            assertUniform("full, repeat " + repeat, i -> curve.delay(repeat, CAP, random::nextDouble), 0, whole(repeat));
        }
    }

    @Test
    void equalJitterIsUniformFromTheHalf() {
        Backoff curve = Backoff.exponential(FIRST, CAP).withEqualJitter();
        for (int repeat : REPEATS) {
            assertUniform("equal, repeat " + repeat, i -> curve.delay(repeat, CAP, random::nextDouble), whole(repeat) / 2, whole(repeat));
        }
    }

    /** Three times the last delay, but never past the cap, whatever the last one was. */
    @Test
    void decorrelatedJitterIsUniformFromTheFirst() {
        Backoff curve = Backoff.exponential(FIRST, CAP).withDecorrelatedJitter(CAP);
        for (long previous : new long[] {0, 1, 10, 11, 100, 233, 234, 700, 5_000}) {
            long most = Math.min(CAP.toMillis(), 3 * Math.max(FIRST.toMillis(), previous));
            assertUniform("decorrelated, after " + previous, i -> curve.delay(1 + i % 100, Duration.ofMillis(previous), random::nextDouble),
                    FIRST.toNanos(), Duration.ofMillis(most).toNanos());
        }
    }

    @Test
    void withoutJitterThereIsNoSpread() {
        for (int repeat : REPEATS) {
            assertEquals(whole(repeat), Backoff.exponential(FIRST, CAP).delay(repeat, CAP, random::nextDouble).toNanos());
            assertEquals(FIRST, Backoff.fixed(FIRST).delay(repeat, CAP, random::nextDouble));
            assertEquals(Duration.ZERO, Backoff.none().delay(repeat, CAP, random::nextDouble));
        }
    }

    /** Any curve, any cap: never beyond it, never negative, and the same again from the same seed. */
    @Test
    void anyPolicyStaysUnderItsCapAndIsReproducible() {
        for (int trial = 0; trial < 2_000; trial++) {
            Duration first = Duration.ofNanos(random.nextLong(1, 1L << random.nextInt(1, 62)));
            Duration cap = first.plusNanos(random.nextLong(1L << random.nextInt(1, 62)));
            Backoff bare = Backoff.exponential(first, cap);
            for (Backoff curve : List.of(bare, bare.withFullJitter(), bare.withEqualJitter(), bare.withDecorrelatedJitter(cap))) {
                long draws = random.nextLong();
                List<Duration> delays = delays(curve, draws);
                assertEquals(delays, delays(curve, draws), () -> "seed " + seed);
                assertTrue(delays.stream().allMatch(delay -> !delay.isNegative() && delay.compareTo(cap) <= 0),
                        () -> first + " up to " + cap + ": " + delays + ", seed " + seed);
            }
        }
    }

    private static List<Duration> delays(Backoff curve, long seed) {
        Random chance = new Random(seed);
        List<Duration> delays = new ArrayList<>();
        Duration previous = Duration.ZERO;
        for (int repeat : new int[] {1, 2, 3, 4, 5, 6, 20, 60, 61, 62, 63, 64, 65, 1_000, Integer.MAX_VALUE - 1, Integer.MAX_VALUE}) {
            previous = curve.delay(repeat, previous, chance::nextDouble);
            delays.add(previous);
        }
        return delays;
    }
}
