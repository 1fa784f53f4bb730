package io.github.connecttransactretry.chaos;

import java.util.function.LongSupplier;

/** Whether connects are refused just now. Thread-safe. */
final class Outage {

    private final LongSupplier nanoTime;
    private long endNanos;
    private boolean timed;
    private int left;

    Outage(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
    }

    /** Begins what the fault brings with it. */
    synchronized void after(Fault fault) {
        if (fault.outage() != null) {
            endNanos = nanoTime.getAsLong() + fault.outage().toNanos();
            timed = true;
        }
        left += fault.refusals();
    }

    /** Whether this connect is refused. */
    synchronized boolean takesOne() {
        if (left > 0) {
            left--;
            return true;
        }
        timed = timed && endNanos - nanoTime.getAsLong() > 0;
        return timed;
    }
}
