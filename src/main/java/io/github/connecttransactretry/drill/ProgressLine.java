package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * How the drill is getting on, on one line that is written over and over until it is closed, short enough for a terminal of
 * 80 columns. For one thread.
 */
final class ProgressLine implements AutoCloseable {

    private static final int EVERY_MILLIS = 250;
    private static final Duration LONGEST_WRITE = Duration.ofSeconds(10);
    private static final double NANOS_PER_SECOND = 1e9;

    private final PrintStream out;
    private final DoubtBook book;
    private final long begun = System.nanoTime();
    private final ScheduledThreadPoolExecutor clock;
    private volatile String state = "";

    ProgressLine(PrintStream out, DoubtBook book) {
        this.out = out;
        this.book = book;
        this.clock = new ScheduledThreadPoolExecutor(1, task -> {
            Thread thread = new Thread(task, "drill-progress");
            thread.setDaemon(true);
            return thread;
        });
        clock.scheduleAtFixedRate(this::print, 0, EVERY_MILLIS, TimeUnit.MILLISECONDS);
    }

    /** What is going on besides, in at most ten letters; empty for nothing. */
    void state(String now) {
        state = now;
    }

    private void print() {
        DoubtBook.Counts counts = book.counts();
        // Padded, as a shorter line leaves the end of a longer one behind.
        out.printf(Locale.ROOT, "\r%5.1f s: %d calls, %d retries, %d commits in doubt: %d yes, %d no %-10s",
                (System.nanoTime() - begun) / NANOS_PER_SECOND, counts.succeeded() + counts.failed(), counts.retries(),
                counts.inDoubt(), counts.resolvedCommitted(), counts.resolvedNotCommitted(), state);
        out.flush();
    }

    @Override
    public void close() {
        clock.shutdown();
        Await.until("the last progress to be written", LONGEST_WRITE, clock::isTerminated);
        print();
        out.println();
    }
}
