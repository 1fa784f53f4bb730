package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.PhysicalConnection;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * The way to connections for questions and fences, which never queues behind attempts: their functions may wait for the very
 * row locks that a fence is to free. Thread-safe.
 */
final class ResolverRoad {

    /** Beside a pool no more than two connections at once are added to what the server was sized for. */
    private static final int MOST_BESIDE_POOL = 2;

    private final ConnectionSource source;
    private final Semaphore places;
    private final Drivers drivers;
    private final Opener opener;
    private final Watchdog watchdog;

    private ResolverRoad(ConnectionSource source, int places, Drivers drivers, Opener opener, Watchdog watchdog) {
        this.source = source;
        this.places = new Semaphore(places, true);
        this.drivers = drivers;
        this.opener = opener;
        this.watchdog = watchdog;
    }

    static ResolverRoad of(Pool pool, Pool resolverPool, Drivers drivers, Opener opener, Watchdog watchdog) {
        if (resolverPool != null) {
            return new ResolverRoad(resolverPool.source(), Integer.MAX_VALUE, drivers, opener, watchdog);
        }
        return new ResolverRoad(pool.beside().orElse(pool.source()), MOST_BESIDE_POOL, drivers, opener, watchdog);
    }

    /**
     * A connection of its own, in autocommit, bounded by the deadline.
     *
     * @throws SQLTimeoutException if none came in time
     */
    Stop open(Deadline deadline) throws SQLException, InterruptedException {
        if (!places.tryAcquire(deadline.remaining().toNanos(), TimeUnit.NANOSECONDS)) {
            throw new SQLTimeoutException("the other questions of the engine left no time for this one");
        }
        try {
            return new Stop(opener.open(source, deadline), deadline);
        } catch (SQLException | InterruptedException | RuntimeException | Error failed) {
            places.release();
            throw failed;
        }
    }

    /** One connection, until it is closed. */
    final class Stop implements AutoCloseable {

        private final Connection connection;
        private final PhysicalConnection physical;
        private final Watchdog.Watch watch;

        private Stop(Connection connection, Deadline deadline) throws SQLException {
            this.connection = connection;
            this.physical = drivers.recognise(connection).orElseThrow(() -> {
                Evictor.closeQuietly(connection);
                return Refusals.foreignDriver(connection);
            }).physical();
            try {
                this.watch = watchdog.watch(physical, deadline);
                connection.setNetworkTimeout(Runnable::run, deadline.toNetworkTimeoutMillis());
                connection.setAutoCommit(true);
            } catch (SQLException | RuntimeException broken) {
                throwAway();
                Evictor.closeQuietly(connection);
                throw broken;
            }
        }

        Connection connection() {
            return connection;
        }

        PhysicalConnection physical() {
            return physical;
        }

        /** For a connection on which something failed: nothing may be left open on it. */
        void throwAway() {
            physical.abort();
        }

        @Override
        public void close() {
            watch.end();
            Evictor.closeQuietly(connection);
            places.release();
        }
    }
}
