package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.chaos.OtherBackends;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What happens to the transfers at random times, as opposed to {@link WireFaults}: single backends are terminated, all
 * connections are cut, and what was held back is delivered. Safe from any thread.
 */
final class Disturbances implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Disturbances.class);
    private static final Duration LONGEST_END = Duration.ofSeconds(40);

    private final DrillServer server;
    private final ScheduledThreadPoolExecutor clock;
    private final AtomicInteger terminated = new AtomicInteger();
    private final AtomicInteger cuts = new AtomicInteger();
    private final AtomicInteger delivered = new AtomicInteger();
    private final AtomicReference<Exception> broken = new AtomicReference<>();

    Disturbances(DrillServer server, SplittableRandom chance) {
        this.server = server;
        this.clock = new ScheduledThreadPoolExecutor(3, task -> {
            Thread thread = new Thread(task, "drill-disturbance");
            thread.setDaemon(true);
            return thread;
        });
        SplittableRandom victims = chance.split();
        again(chance.split(), 60, 200, () -> terminateOne(victims));
        server.proxy().ifPresent(proxy -> {
            again(chance.split(), 1000, 3000, () -> {
                proxy.cutAll();
                cuts.incrementAndGet();
            });
            again(chance.split(), 5, 300, () -> delivered.addAndGet(proxy.releaseHeld().size()));
        });
    }

    private interface Task {
        void run() throws SQLException;
    }

    private void again(SplittableRandom chance, int leastMillis, int mostMillis, Task task) {
        clock.schedule(() -> {
            try {
                task.run();
            } catch (SQLException away) {
                // The server is being crashed, or the drill's own connection was lost with it.
                LOG.debug("a disturbance found the server away", away);
            } catch (RuntimeException failed) {
                broken.compareAndSet(null, failed);
            }
            again(chance, leastMillis, mostMillis, task);
        }, chance.nextInt(leastMillis, mostMillis), TimeUnit.MILLISECONDS);
    }

    private void terminateOne(SplittableRandom chance) throws SQLException {
        try (Connection connection = server.direct()) {
            List<Integer> pids = OtherBackends.ofApplication(connection, server.applicationName()).pids();
            if (!pids.isEmpty()) {
                try (PreparedStatement end = connection.prepareStatement("SELECT pg_catalog.pg_terminate_backend(?)")) {
                    end.setInt(1, pids.get(chance.nextInt(pids.size())));
                    end.execute();
                }
                terminated.incrementAndGet();
            }
        }
    }

    /** Delivers what is still held back. */
    void deliverRest() {
        server.proxy().ifPresent(proxy -> delivered.addAndGet(proxy.releaseHeld().size()));
    }

    /** One line for the reader. */
    @Override
    public String toString() {
        return "backends terminated " + terminated + ", all connections cut " + cuts + " times, COMMITs delivered late "
                + delivered;
    }

    /**
     * No more of them.
     *
     * @throws IllegalStateException if one of them has failed, or does not end
     */
    @Override
    public void close() {
        clock.shutdownNow();
        Await.until("the last disturbance to end", LONGEST_END, clock::isTerminated);
        if (broken.get() != null) {
            throw new IllegalStateException("a disturbance has failed", broken.get());
        }
    }
}
