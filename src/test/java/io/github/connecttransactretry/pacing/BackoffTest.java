package io.github.connecttransactretry.pacing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Bounds of every curve for random draws, and the same delays again from the same seed. */
class BackoffTest {

    private static final int DRAWS = 10_000;
    private static final Duration FIRST = Duration.ofMillis(10);
    private static final Duration CAP = Duration.ofMillis(500);
    private static final DoubleSupplier NO_CHANCE = () -> {
        throw new AssertionError("this curve leaves nothing to chance");
    };

    private long seed;
    private Random random;

    @BeforeEach
    void seed() {
        seed = new Random().nextLong();
        random = new Random(seed);
        System.out.println("BackoffTest: seed " + seed);
    }

    private static Duration exponential(int repeat) {
        return repeat > 6 ? CAP : FIRST.multipliedBy(1L << (repeat - 1));
    }

    /** A repeat from 1 to 100, most of them small. */
    private int anyRepeat() {
        return 1 + random.nextInt(1 + random.nextInt(100));
    }

    private void assertWithin(Duration least, Duration delay, Duration most) {
        assertTrue(delay.compareTo(least) >= 0 && delay.compareTo(most) <= 0,
                () -> delay + " is not within " + least + " and " + most + ", seed " + seed);
    }

    @Test
    void noneAndFixedAreWhatTheySay() {
        for (int repeat = 1; repeat < 100; repeat++) {
            assertEquals(Duration.ZERO, Backoff.none().delay(repeat, CAP, NO_CHANCE));
            assertEquals(FIRST, Backoff.fixed(FIRST).delay(repeat, CAP, NO_CHANCE));
        }
    }

    @Test
    void exponentialDoublesUpToItsCap() {
        Backoff curve = Backoff.exponential(FIRST, CAP);
        List<Long> millis = new ArrayList<>();
        for (int repeat = 1; repeat <= 9; repeat++) {
            millis.add(curve.delay(repeat, Duration.ZERO, NO_CHANCE).toMillis());
        }
        assertEquals(List.of(10L, 20L, 40L, 80L, 160L, 320L, 500L, 500L, 500L), millis);
        for (int repeat : new int[] {62, 63, 64, 65, 1_000, Integer.MAX_VALUE}) {
            assertEquals(CAP, curve.delay(repeat, Duration.ZERO, NO_CHANCE), "repeat " + repeat);
        }
        assertEquals(FIRST, curve.delay(0, Duration.ZERO, NO_CHANCE), "out of order, but no reason to fail a call");
        assertEquals(Duration.ZERO, Backoff.exponential(Duration.ZERO, CAP).delay(50, Duration.ZERO, NO_CHANCE));
    }

    /** "No cap" said with the longest duration there is: it must not overflow in the middle of a call. */
    @Test
    void capsWithoutANumberOfNanosecondsAreTaken() {
        Duration forEver = Duration.ofSeconds(Long.MAX_VALUE, 999_999_999);
        Backoff uncapped = Backoff.exponential(FIRST, forEver);
        assertEquals(Duration.ofMillis(10L << 20), uncapped.delay(21, Duration.ZERO, NO_CHANCE));
        for (int i = 0; i < DRAWS; i++) {
            int repeat = anyRepeat();
            for (Backoff jittered : List.of(uncapped.withFullJitter(), uncapped.withEqualJitter(),
                    uncapped.withDecorrelatedJitter(forEver), Backoff.fixed(forEver).withFullJitter())) {
                Duration delay = jittered.delay(repeat, uncapped.delay(repeat, Duration.ZERO, NO_CHANCE), random::nextDouble);
                assertTrue(!delay.isNegative(), () -> delay + ", seed " + seed);
            }
        }
    }

    @Test
    void fullJitterLiesBetweenZeroAndTheDelay() {
        Backoff curve = Backoff.exponential(FIRST, CAP).withFullJitter();
        Set<Integer> tenths = new TreeSet<>();
        for (int i = 0; i < DRAWS; i++) {
            int repeat = anyRepeat();
            Duration delay = curve.delay(repeat, Duration.ZERO, random::nextDouble);
            assertWithin(Duration.ZERO, delay, exponential(repeat));
            tenths.add((int) (10 * delay.toNanos() / exponential(repeat).toNanos()));
        }
        assertTrue(tenths.size() >= 10, () -> "not spread over the whole range: " + tenths + ", seed " + seed);
    }

    @Test
    void equalJitterLiesBetweenHalfAndTheDelay() {
        Backoff curve = Backoff.exponential(FIRST, CAP).withEqualJitter();
        Set<Integer> tenths = new TreeSet<>();
        for (int i = 0; i < DRAWS; i++) {
            int repeat = anyRepeat();
            Duration delay = curve.delay(repeat, Duration.ZERO, random::nextDouble);
            assertWithin(exponential(repeat).dividedBy(2), delay, exponential(repeat));
            tenths.add((int) (10 * delay.toNanos() / exponential(repeat).toNanos()));
        }
        assertTrue(tenths.containsAll(Set.of(5, 6, 7, 8, 9)), () -> "not spread over the upper half: " + tenths + ", seed " + seed);
    }

    @Test
    void decorrelatedJitterLiesBetweenTheFirstAndThreeTimesTheLast() {
        Backoff curve = Backoff.exponential(FIRST, CAP).withDecorrelatedJitter(CAP);
        Duration previous = Duration.ZERO;
        Duration longest = Duration.ZERO;
        for (int i = 0; i < DRAWS; i++) {
            Duration delay = curve.delay(i + 1, previous, random::nextDouble);
            Duration three = (previous.compareTo(FIRST) < 0 ? FIRST : previous).multipliedBy(3);
            assertWithin(FIRST, delay, three.compareTo(CAP) < 0 ? three : CAP);
            previous = i % 20 == 19 ? Duration.ZERO : delay;
            longest = delay.compareTo(longest) > 0 ? delay : longest;
        }
        Duration seen = longest;
        assertTrue(seen.compareTo(CAP.dividedBy(2)) > 0, () -> "it does not grow: at most " + seen + ", seed " + seed);
    }

    @Test
    void aCapBelowTheFirstDelayHolds() {
        Backoff curve = Backoff.fixed(CAP).withDecorrelatedJitter(FIRST);
        for (int i = 0; i < DRAWS; i++) {
            assertWithin(Duration.ZERO, curve.delay(1, CAP, random::nextDouble), FIRST);
        }
    }

    @Test
    void theExtremesOfChanceStayInBounds() {
        for (double chance : new double[] {0, Math.nextDown(1.0)}) {
            for (int repeat = 1; repeat < 80; repeat++) {
                Backoff exponential = Backoff.exponential(FIRST, CAP);
                assertWithin(Duration.ZERO, exponential.withFullJitter().delay(repeat, CAP, () -> chance), CAP);
                assertWithin(FIRST.dividedBy(2), exponential.withEqualJitter().delay(repeat, CAP, () -> chance), CAP);
                assertWithin(FIRST, exponential.withDecorrelatedJitter(CAP).delay(repeat, CAP, () -> chance), CAP);
            }
        }
    }

    @Test
    void theSameSeedGivesTheSameDelays() {
        for (Backoff curve : List.of(Backoff.exponential(FIRST, CAP).withFullJitter(), Backoff.exponential(FIRST, CAP).withEqualJitter(),
                Backoff.exponential(FIRST, CAP).withDecorrelatedJitter(CAP), Backoff.exponential(FIRST, CAP))) {
            assertEquals(sequence(curve, seed), sequence(curve, seed), "seed " + seed);
        }
        Backoff jittered = Backoff.exponential(FIRST, CAP).withFullJitter();
        assertTrue(!sequence(jittered, seed).equals(sequence(jittered, seed + 1)), "chance does not matter, seed " + seed);
    }

    private static List<Duration> sequence(Backoff curve, long seed) {
        Random chance = new Random(seed);
        List<Duration> delays = new ArrayList<>();
        Duration previous = Duration.ZERO;
        for (int repeat = 1; repeat <= 100; repeat++) {
            previous = curve.delay(repeat, previous, chance::nextDouble);
            delays.add(previous);
        }
        return delays;
    }
}
