package io.github.connecttransactretry;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The engine's few threads: one clock for the watchdog, and workers that come when something may block (a connect, the abort
 * of a stuck socket) and go when idle. All are daemons.
 */
final class EngineThreads {

    static final String NAME = "connect-transact-retry-";

    private final AtomicInteger made = new AtomicInteger();
    private final ThreadFactory factory = task -> {
        Thread thread = new Thread(task, NAME + made.incrementAndGet());
        thread.setDaemon(true);
        return thread;
    };
    private final ExecutorService workers = Executors.newCachedThreadPool(factory);
    private final ScheduledThreadPoolExecutor clock = new ScheduledThreadPoolExecutor(1, factory);

    EngineThreads() {
        // Nearly every deadline is cancelled long before it comes; kept, they would fill the queue.
        clock.setRemoveOnCancelPolicy(true);
    }

    ExecutorService workers() {
        return workers;
    }

    ScheduledThreadPoolExecutor clock() {
        return clock;
    }

    void shutdown() {
        clock.shutdownNow();
        workers.shutdown();
    }
}
