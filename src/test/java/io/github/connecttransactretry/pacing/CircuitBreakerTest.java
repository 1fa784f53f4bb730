package io.github.connecttransactretry.pacing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.TimeSource;
import io.github.connecttransactretry.pacing.CircuitBreaker.Change;
import io.github.connecttransactretry.pacing.CircuitBreaker.Passage;
import io.github.connecttransactretry.pacing.CircuitBreaker.Settings;
import io.github.connecttransactretry.pacing.CircuitBreaker.State;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class CircuitBreakerTest {

    private static final Duration LONG = Duration.ofSeconds(20);

    private final ManualTime time = new ManualTime();

    private static Settings settings(int outages, Duration pause, boolean waits) {
        return new Settings(outages, Backoff.exponential(pause, pause.multipliedBy(4)), waits, Duration.ZERO, Duration.ofSeconds(3));
    }

    private Optional<Passage> ask(CircuitBreaker breaker) throws InterruptedException {
        return breaker.enter(time, Deadline.after(time, LONG));
    }

    private Optional<Change> outage(CircuitBreaker breaker) throws InterruptedException {
        return ask(breaker).orElseThrow().outage();
    }

    @Test
    void opensAfterOutagesInARowProbesAndCloses() throws InterruptedException {
        CircuitBreaker breaker = CircuitBreaker.of(settings(3, Duration.ofMillis(100), false));
        outage(breaker);
        outage(breaker);
        ask(breaker).orElseThrow().reached();
        outage(breaker);
        outage(breaker);
        assertEquals(State.CLOSED, breaker.state(), "two in a row, then one, then two");
        assertEquals(Optional.of(new Change(State.CLOSED, State.OPEN)), outage(breaker));
        assertEquals(Optional.empty(), ask(breaker));
        time.advance(Duration.ofMillis(99));
        assertEquals(Optional.empty(), ask(breaker));
        time.advance(Duration.ofMillis(1));
        Passage probe = ask(breaker).orElseThrow();
        assertTrue(probe.isProbe());
        assertEquals(Optional.of(new Change(State.OPEN, State.HALF_OPEN)), probe.change());
        assertEquals(Optional.empty(), ask(breaker), "one probe at a time");
        assertEquals(Optional.of(new Change(State.HALF_OPEN, State.OPEN)), probe.outage());
        time.advance(Duration.ofMillis(199));
        assertEquals(Optional.empty(), ask(breaker), "the second pause is twice as long");
        time.advance(Duration.ofMillis(1));
        assertEquals(Optional.of(new Change(State.HALF_OPEN, State.CLOSED)), ask(breaker).orElseThrow().reached());
        assertFalse(ask(breaker).orElseThrow().isProbe());
        assertEquals(new CircuitBreaker.Counts(1, 2, 4, 0, 0), breaker.counts());
    }

    @Test
    void whatSaysNothingOfTheServerOpensNothing() throws InterruptedException {
        CircuitBreaker breaker = CircuitBreaker.of(settings(2, Duration.ofMillis(100), false));
        for (int call = 0; call < 100; call++) {
            ask(breaker).orElseThrow().neither();
        }
        assertEquals(State.CLOSED, breaker.state());
        outage(breaker);
        ask(breaker).orElseThrow().neither();
        outage(breaker);
        time.advance(Duration.ofMillis(100));
        assertEquals(Optional.of(new Change(State.HALF_OPEN, State.OPEN)), ask(breaker).orElseThrow().neither());
        assertTrue(ask(breaker).orElseThrow().isProbe(), "the next one probes at once");
    }

    @Test
    void aProbeThatIsSilentForTooLongMakesRoomForTheNext() throws InterruptedException {
        CircuitBreaker breaker = CircuitBreaker.of(settings(1, Duration.ofMillis(100), false));
        outage(breaker);
        time.advance(Duration.ofMillis(100));
        Passage silent = ask(breaker).orElseThrow();
        time.advance(Duration.ofMillis(2999));
        assertEquals(Optional.empty(), ask(breaker));
        time.advance(Duration.ofMillis(1));
        Passage next = ask(breaker).orElseThrow();
        assertTrue(next.isProbe());
        assertEquals(Optional.empty(), silent.outage(), "what a probe says that is over opens nothing");
        assertEquals(State.HALF_OPEN, breaker.state());
        assertEquals(State.CLOSED, next.reached().orElseThrow().to());
    }

    @Test
    void anOldConnectionThatServesEndsTheRowAndClosesNothing() throws InterruptedException {
        CircuitBreaker breaker = CircuitBreaker.of(settings(2, Duration.ofMillis(100), false));
        Passage early = ask(breaker).orElseThrow();
        outage(breaker);
        ask(breaker).orElseThrow().served();
        outage(breaker);
        assertEquals(State.CLOSED, breaker.state());
        outage(breaker);
        early.served();
        assertEquals(State.OPEN, breaker.state());
    }

    /** They began before it closed, and say nothing of the server since. */
    @Test
    void lateFailuresOfAnOutageThatIsOverOpenNothing() throws InterruptedException {
        CircuitBreaker breaker = CircuitBreaker.of(settings(1, Duration.ofMillis(100), false));
        List<Passage> slow = List.of(ask(breaker).orElseThrow(), ask(breaker).orElseThrow());
        outage(breaker);
        time.advance(Duration.ofMillis(100));
        ask(breaker).orElseThrow().reached();
        for (Passage late : slow) {
            assertEquals(Optional.empty(), late.outage());
        }
        assertEquals(State.CLOSED, breaker.state());
        assertEquals(State.OPEN, outage(breaker).orElseThrow().to());
    }

    @Test
    void aLateConnectThatReachedTheServerClosesIt() throws InterruptedException {
        CircuitBreaker breaker = CircuitBreaker.of(settings(1, Duration.ofMillis(100), false));
        Passage slow = ask(breaker).orElseThrow();
        outage(breaker);
        assertEquals(Optional.of(new Change(State.OPEN, State.CLOSED)), slow.reached());
        assertEquals(Optional.empty(), slow.outage(), "each says one word");
        assertEquals(State.CLOSED, breaker.state());
    }

    @Test
    void whoWaitsIsRejectedAtItsDeadline() throws InterruptedException {
        TimeSource real = TimeSource.system();
        CircuitBreaker breaker = CircuitBreaker.of(settings(1, Duration.ofSeconds(10), true));
        breaker.enter(real, Deadline.after(real, LONG)).orElseThrow().outage();
        Deadline deadline = Deadline.after(real, Duration.ofMillis(50));
        assertEquals(Optional.empty(), breaker.enter(real, deadline));
        assertTrue(deadline.hasPassed());
        assertEquals(new CircuitBreaker.Counts(1, 0, 1, 1, 0), breaker.counts());
    }

    /** The spread is no reason to outlive the deadline. */
    @Test
    void whoWaitedGoesOnBeforeItsDeadline() throws Exception {
        TimeSource real = TimeSource.system();
        CircuitBreaker breaker = CircuitBreaker.of(new Settings(1, Backoff.fixed(LONG), true, Duration.ofDays(1), LONG));
        Passage slow = breaker.enter(real, Deadline.after(real, LONG)).orElseThrow();
        breaker.enter(real, Deadline.after(real, LONG)).orElseThrow().outage();
        CompletableFuture<Optional<Passage>> waiter = CompletableFuture.supplyAsync(() -> {
            try {
                return breaker.enter(real, Deadline.after(real, Duration.ofSeconds(2)));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        Await.until("one to wait", LONG, () -> breaker.counts().waiting() == 1);
        slow.reached();
        assertTrue(waiter.get(LONG.toSeconds(), TimeUnit.SECONDS).isPresent());
    }

    /** Whoever sleeps its moment while it opens again does not connect after it. */
    @Test
    void whoGoesOnLooksAgainWhetherItIsOpen() throws Exception {
        CircuitBreaker breaker = CircuitBreaker.of(new Settings(1, Backoff.fixed(LONG), true, Duration.ofMillis(1), LONG));
        Passage slow = ask(breaker).orElseThrow();
        Passage last = ask(breaker).orElseThrow();
        outage(breaker);
        AtomicInteger sleeps = new AtomicInteger();
        TimeSource reopening = new TimeSource() {
            @Override
            public Instant now() {
                return time.now();
            }

            @Override
            public long nanoTime() {
                return time.nanoTime();
            }

            @Override
            public double random() {
                return 0.5;
            }

            @Override
            public void sleep(Duration length) {
                if (sleeps.incrementAndGet() == 1) {
                    try {
                        CircuitBreakerTest.this.outage(breaker);
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                }
            }
        };
        CompletableFuture<Optional<Passage>> waiter = CompletableFuture.supplyAsync(() -> {
            try {
                return breaker.enter(reopening, Deadline.after(time, LONG));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        Await.until("one to wait", LONG, () -> breaker.counts().waiting() == 1);
        slow.reached();
        Await.until("it to sleep", LONG, () -> sleeps.get() == 1);
        Await.until("it to wait again", LONG, () -> breaker.counts().waiting() == 1);
        assertFalse(waiter.isDone());
        last.reached();
        assertTrue(waiter.get(LONG.toSeconds(), TimeUnit.SECONDS).isPresent());
        assertEquals(2, sleeps.get());
    }

    /** Threads that come and go while the server does: never two probes at once, and in the end all are through. */
    @Test
    void underThreadsThereIsOneProbeAtATimeAndAllGoOn() throws InterruptedException {
        long seed = new SplittableRandom().nextLong();
        System.out.println("circuit breaker under threads: seed " + seed);
        SplittableRandom chance = new SplittableRandom(seed);
        TimeSource real = TimeSource.system();
        CircuitBreaker breaker = CircuitBreaker.of(settings(2, Duration.ofMillis(2), true));
        AtomicBoolean away = new AtomicBoolean(true);
        AtomicInteger probing = new AtomicInteger();
        AtomicInteger mostProbing = new AtomicInteger();
        AtomicInteger served = new AtomicInteger();
        List<Thread> callers = new ArrayList<>();
        for (int caller = 0; caller < 32; caller++) {
            SplittableRandom own = chance.split();
            Thread thread = new Thread(() -> {
                try {
                    while (true) {
                        Passage passage = breaker.enter(real, Deadline.after(real, LONG)).orElseThrow();
                        if (passage.isProbe()) {
                            mostProbing.accumulateAndGet(probing.incrementAndGet(), Math::max);
                        }
                        boolean reached = !away.get();
                        if (own.nextInt(8) == 0) {
                            Thread.onSpinWait();
                        }
                        if (passage.isProbe()) {
                            probing.decrementAndGet();
                        }
                        if (reached) {
                            passage.reached();
                            served.incrementAndGet();
                            return;
                        }
                        passage.outage();
                    }
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            thread.start();
            callers.add(thread);
        }
        Await.until("twenty probes", LONG, () -> breaker.counts().probes() >= 20);
        away.set(false);
        Await.until("all to be through", LONG, () -> callers.stream().noneMatch(Thread::isAlive));
        assertEquals(32, served.get());
        assertEquals(1, mostProbing.get());
        assertEquals(State.CLOSED, breaker.state());
        assertEquals(0, breaker.counts().waiting());
    }

    @Test
    void nonsenseIsNamed() {
        Backoff none = Backoff.none();
        Duration second = Duration.ofSeconds(1);
        assertThrows(IllegalArgumentException.class, () -> new Settings(0, none, true, second, second));
        assertThrows(IllegalArgumentException.class, () -> new Settings(1, none, true, second.negated(), second));
        assertThrows(IllegalArgumentException.class, () -> new Settings(1, none, true, second, Duration.ZERO));
        assertThrows(NullPointerException.class, () -> new Settings(1, null, true, second, second));
    }
}
