package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TimeSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Keeps broken and stale connections out of the pool that they came from. Thread-safe. */
final class Evictor {

    private static final Logger LOG = LoggerFactory.getLogger(Evictor.class);

    private final Pool pool;
    private final TimeSource time;
    private final AtomicBoolean staleIncident = new AtomicBoolean();

    Evictor(Pool pool, TimeSource time) {
        this.pool = pool;
        this.time = time;
    }

    /** Closes the connection for good; with {@code staleServer} the pool's idle ones too, once until the primary is met again. */
    void evict(Connection connection, PhysicalConnection physical, boolean staleServer) {
        physical.abort();
        quietly(() -> pool.evict(connection));
        closeQuietly(connection);
        if (staleServer && staleIncident.compareAndSet(false, true)) {
            quietly(pool::softEvict);
        }
    }

    private static void quietly(Runnable onPool) {
        try {
            onPool.run();
        } catch (RuntimeException broken) {
            LOG.warn("a PoolSupport threw; the connection is closed all the same", broken);
        }
    }

    /** A writable session was met: the next stale connection is a new incident. */
    void primaryMet() {
        if (staleIncident.get()) {
            staleIncident.set(false);
        }
    }

    Deadline in(Duration duration) {
        return Deadline.after(time, duration);
    }

    static void closeQuietly(Connection connection) {
        try {
            connection.close();
        } catch (SQLException | RuntimeException alreadyGone) {
            // pgjdbc may say so of a connection that the peer has reset; there is nothing left to close.
        }
    }
}
