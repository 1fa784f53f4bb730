package io.github.connecttransactretry.deadletter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.CapturedLog;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Sinks put together, and the log. */
class DeadLetterSinkTest {

    private final List<DeadLetter> kept = new ArrayList<>();
    private final DeadLetter letter = Letters.failed("payload\nof two lines");

    @Test
    void secondIsForWhatTheFirstDoesNotTake() throws Exception {
        DeadLetterSink first = some -> {
            throw new IOException("full");
        };
        first.orElse(kept::add).put(letter);
        assertEquals(List.of(letter), kept);
        DeadLetterSink good = kept::add;
        good.orElse(some -> {
            throw new AssertionError("not needed");
        }).put(letter);
        assertEquals(2, kept.size());
        IllegalStateException second = new IllegalStateException();
        Throwable both = assertThrows(IllegalStateException.class, () -> first.orElse(some -> {
            throw second;
        }).put(letter));
        assertSame(second, both.getCause());
        assertEquals(0, second.getSuppressed().length, "it may be the same each time");
        assertEquals("full", both.getSuppressed()[0].getMessage());
    }

    @Test
    void nobodyWaitsLongerThanTheLimit() throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        AtomicInteger interrupted = new AtomicInteger();
        DeadLetterSink hanging = some -> {
            try {
                never.await();
            } catch (InterruptedException e) {
                interrupted.incrementAndGet();
            }
        };
        assertThrows(TimeoutException.class, () -> hanging.within(Duration.ofMillis(50)).put(letter));
        Await.until("the hanging thread is told", Duration.ofSeconds(10), () -> interrupted.get() == 1);
        hanging.within(Duration.ofMillis(50)).orElse(kept::add).put(letter);
        assertEquals(List.of(letter), kept);
        IOException full = new IOException("full");
        assertSame(full, assertThrows(IOException.class, () -> ((DeadLetterSink) some -> {
            throw full;
        }).within(Duration.ofSeconds(60)).put(letter)));
        assertThrows(IllegalArgumentException.class, () -> hanging.within(Duration.ZERO));
    }

    @Test
    void interruptWaitsUntilTheLetterIsKept() throws Exception {
        Thread.currentThread().interrupt();
        ((DeadLetterSink) kept::add).within(Duration.ofSeconds(60)).put(letter);
        assertTrue(Thread.interrupted());
        assertEquals(List.of(letter), kept);
    }

    @Test
    void logLineIsTheLetterWithoutWhatTheServerSaid() {
        try (CapturedLog log = CapturedLog.of(Slf4jDeadLetters.LOGGER, Level.INFO)) {
            new Slf4jDeadLetters().put(letter);
            assertEquals(1, log.events(Level.ERROR).size());
            String line = log.events().get(0).getFormattedMessage();
            assertArrayEquals(new String[] {line}, line.lines().toArray());
            assertEquals(letter.withoutSaid(), DeadLetter.parse(line.substring(line.indexOf('{'))));
            assertFalse(log.text().contains("out of luck"), log::text);
        }
    }
}
