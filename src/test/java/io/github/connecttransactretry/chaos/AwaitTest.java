package io.github.connecttransactretry.chaos;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class AwaitTest {

    @Test
    void returnsAsSoonAsTheConditionHolds() {
        AtomicInteger looks = new AtomicInteger();

        Await.until("the third look", Duration.ofSeconds(10), () -> looks.incrementAndGet() == 3);

        assertEquals(3, looks.get());
    }

    @Test
    void anExceptionIsNotYetAndTheLastOneIsTheCause() {
        AtomicInteger looks = new AtomicInteger();
        Await.until("a look that works", Duration.ofSeconds(10), () -> {
            if (looks.incrementAndGet() < 3) {
                throw new IOException("not yet");
            }
            return true;
        });

        IllegalStateException late = assertThrows(IllegalStateException.class, () -> Await.until("rain", Duration.ofMillis(20),
                () -> {
                    throw new IOException("dry");
                }));

        assertEquals("waited 20 ms in vain for rain", late.getMessage());
        assertEquals("dry", late.getCause().getMessage());
    }

    @Test
    void looksOnceEvenWithoutTime() {
        AtomicInteger looks = new AtomicInteger();

        assertThrows(IllegalStateException.class, () -> Await.until("never", Duration.ZERO, () -> looks.incrementAndGet() < 0));

        assertEquals(1, looks.get());
    }

    @Test
    void anInterruptEndsTheWaitAndStaysSet() {
        Thread.currentThread().interrupt();

        IllegalStateException ended =
                assertThrows(IllegalStateException.class, () -> Await.until("never", Duration.ofMinutes(1), () -> false));

        assertTrue(Thread.interrupted());
        assertEquals("interrupted while waiting for never", ended.getMessage());
    }
}
