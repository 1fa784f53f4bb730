package io.github.connecttransactretry.pacing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.ground.TimeSource;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RetryBudgetTest {

    private final ManualTime time = new ManualTime();

    @Test
    void isFullAtFirstAndFillsAgainAtItsRate() {
        RetryBudget budget = RetryBudget.of(3, 2);
        assertTrue(budget.tryTake(time) && budget.tryTake(time) && budget.tryTake(time));
        assertFalse(budget.tryTake(time));
        time.advance(Duration.ofMillis(499));
        assertFalse(budget.tryTake(time));
        time.advance(Duration.ofMillis(1));
        assertTrue(budget.tryTake(time));
        assertFalse(budget.tryTake(time));
        assertEquals(0, budget.counts().left());
        time.advance(Duration.ofMillis(1000));
        assertEquals(2, budget.counts().left(), "come back, though nobody has asked for one");
        time.advance(Duration.ofDays(1));
        assertTrue(budget.tryTake(time) && budget.tryTake(time) && budget.tryTake(time));
        assertFalse(budget.tryTake(time), "more than it holds");
        assertEquals(new RetryBudget.Counts(0, 7, 4), budget.counts());
    }

    /** In no stretch of time are more allowed than it held at most and what came back meanwhile. */
    @Test
    void isNeverExceeded() {
        long seed = new SplittableRandom().nextLong();
        System.out.println("retry budget: seed " + seed);
        SplittableRandom chance = new SplittableRandom(seed);
        for (int round = 0; round < 300; round++) {
            int most = chance.nextInt(1, 20);
            double perSecond = chance.nextDouble(0.1, 50);
            RetryBudget budget = RetryBudget.of(most, perSecond);
            ManualTime clock = new ManualTime();
            long[] takenAt = new long[2000];
            int taken = 0;
            for (int ask = 0; ask < 2000; ask++) {
                clock.advance(Duration.ofNanos(chance.nextLong(chance.nextBoolean() ? 1 : 200_000_000L)));
                if (budget.tryTake(clock)) {
                    takenAt[taken++] = clock.nanoTime();
                }
            }
            for (int from = 0; from < taken; from++) {
                for (int to = from; to < Math.min(taken, from + 200); to++) {
                    double allowed = most + (takenAt[to] - takenAt[from]) * perSecond / 1e9;
                    assertTrue(to - from + 1 <= allowed + 1e-6, "seed " + seed + ", round " + round);
                }
            }
        }
    }

    @Test
    void manyThreadsGetNoMoreThanThereIs() throws InterruptedException {
        RetryBudget budget = RetryBudget.of(500, 1e-9);
        AtomicInteger allowed = new AtomicInteger();
        CountDownLatch over = new CountDownLatch(16);
        for (int thread = 0; thread < 16; thread++) {
            new Thread(() -> {
                for (int ask = 0; ask < 100; ask++) {
                    allowed.addAndGet(budget.tryTake(TimeSource.system()) ? 1 : 0);
                }
                over.countDown();
            }).start();
        }
        over.await();
        assertEquals(500, allowed.get());
        assertEquals(new RetryBudget.Counts(0, 500, 1100), budget.counts());
    }

    @ParameterizedTest
    @CsvSource({"0, 1, the most retries at once are 0", "1, 0, the retries that come back in a second are 0.0",
        "1, NaN, the retries that come back in a second are NaN", "1, Infinity, the retries that come back in a second are Infinity"})
    void nonsenseIsNamed(int most, double perSecond, String said) {
        IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, () -> RetryBudget.of(most, perSecond));
        assertTrue(refused.getMessage().startsWith(said), refused::getMessage);
    }
}
