package io.github.connecttransactretry.deadletter;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Work on daemon threads that nobody waits for longer than a given time.
 * An interrupt of who waits is kept for later. Thread-safe.
 */
final class TimeLimit {

    /** More would be a server that swallows connections, and threads that nobody gets back. */
    private static final int MOST_AT_ONCE = 64;

    private final Duration limit;
    private final Semaphore places = new Semaphore(MOST_AT_ONCE, true);

    TimeLimit(Duration limit) {
        if (Objects.requireNonNull(limit, "limit is null: give a Duration").isNegative() || limit.isZero()) {
            throw new IllegalArgumentException("the limit is " + limit + ": give a positive duration");
        }
        this.limit = limit;
    }

    /** What may hang. */
    interface Work {
        void run() throws Exception;
    }

    /**
     * Runs the work.
     *
     * @param tooLate what is done about work that has not ended in time
     * @throws TimeoutException if it has not
     * @throws Exception        what the work threw
     */
    void run(Work work, Runnable tooLate) throws Exception {
        long end = System.nanoTime() + limit.toNanos();
        FutureTask<Void> task = new FutureTask<>(() -> {
            work.run();
            return null;
        });
        boolean interrupted = false;
        boolean started = false;
        try {
            while (true) {
                long left = end - System.nanoTime();
                try {
                    if (!started) {
                        start(task, left);
                        started = true;
                    }
                    task.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                    return;
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } catch (TimeoutException late) {
            task.cancel(true);
            tooLate.run();
            throw new TimeoutException("the dead letter was not acknowledged within " + limit.toMillis() + " ms");
        } catch (ExecutionException failed) {
            throw thrown(failed.getCause());
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void start(FutureTask<Void> task, long nanos) throws InterruptedException, TimeoutException {
        if (!places.tryAcquire(nanos, TimeUnit.NANOSECONDS)) {
            throw new TimeoutException();
        }
        Thread thread = new Thread(() -> {
            try {
                task.run();
            } finally {
                places.release();
            }
        }, "connect-transact-retry-dead-letter");
        thread.setDaemon(true);
        try {
            thread.start();
        } catch (Throwable noThread) {
            places.release();
            throw noThread;
        }
    }

    private static Exception thrown(Throwable cause) {
        if (cause instanceof Error) {
            throw (Error) cause;
        }
        return (Exception) cause;
    }
}
