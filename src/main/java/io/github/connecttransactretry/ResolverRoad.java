package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TimeSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * The way to connections for questions and fences, which never queues behind attempts: their functions may wait for the very
 * row locks that a fence is to free. Thread-safe.
 */
final class ResolverRoad {

    /** Beside a pool no more than two connections at once are added to what the server was sized for. */
    private static final int MOST_BESIDE_POOL = 2;

    /** A server that accepts and then is silent must not eat the time in which a sound one could be asked. */
    private static final Duration PATIENCE = Duration.ofSeconds(2);
    /** A connection that falls silent may take this share of what remains; the rest is for asking on another one. */
    static final double QUESTION_SHARE = 0.5;
    /** How long a question may keep its place while others wait for one. */
    private static final Duration TURN = Duration.ofMillis(500);

    private final ConnectionSource source;
    private final Semaphore places;
    private final Drivers drivers;
    private final Opener opener;
    private final Watchdog watchdog;
    private final TimeSource time;

    private ResolverRoad(ConnectionSource source, int places, Drivers drivers, Opener opener, Watchdog watchdog,
                         TimeSource time) {
        this.time = time;
        this.source = source;
        this.places = new Semaphore(places, true);
        this.drivers = drivers;
        this.opener = opener;
        this.watchdog = watchdog;
    }

    static ResolverRoad of(Pool pool, Pool resolverPool, Drivers drivers, Opener opener, Watchdog watchdog, TimeSource time) {
        if (resolverPool != null) {
            return new ResolverRoad(resolverPool.source(), Integer.MAX_VALUE, drivers, opener, watchdog, time);
        }
        return new ResolverRoad(pool.beside().orElse(pool.source()), MOST_BESIDE_POOL, drivers, opener, watchdog, time);
    }

    /**
     * A connection of its own, in autocommit, bounded by the deadline.
     *
     * @param round 1 for the first asking, more for each further one: a connect gets more time then
     * @throws SQLTimeoutException if none came in time
     */
    Stop open(Deadline deadline, int round) throws SQLException, InterruptedException {
        if (!places.tryAcquire(deadline.remaining().toNanos(), TimeUnit.NANOSECONDS)) {
            throw new SQLTimeoutException("the other questions of the engine left no time for this one");
        }
        try {
            Deadline patience = deadline.share(QUESTION_SHARE).within(PATIENCE.multipliedBy(round));
            return new Stop(opener.open(source, patience), deadline);
        } catch (SQLException | InterruptedException | RuntimeException | Error failed) {
            places.release();
            throw failed;
        }
    }

    /** One connection, until it is closed. */
    final class Stop implements AutoCloseable {

        private final Connection connection;
        private final PhysicalConnection physical;
        private Watchdog.Watch watch;
        private final long openedNanos = time.nanoTime();

        private Stop(Connection connection, Deadline deadline) throws SQLException {
            this.connection = connection;
            this.physical = drivers.recognise(connection).orElseThrow(() -> {
                Evictor.closeQuietly(connection);
                return Refusals.foreignDriver(connection);
            }).physical();
            try {
                arm(deadline.share(QUESTION_SHARE));
                connection.setAutoCommit(true);
            } catch (SQLException | RuntimeException broken) {
                throwAway();
                endWatch();
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

        /** Bounds what is done from here on. */
        void arm(Deadline until) throws SQLException {
            if (endWatch()) {
                throw new SQLException("the server did not answer the question in time", SqlState.CONNECTION_DOES_NOT_EXIST);
            }
            watch = watchdog.watch(physical, until);
            connection.setNetworkTimeout(Runnable::run, until.toNetworkTimeoutMillis());
        }

        private boolean endWatch() {
            return watch != null && watch.end();
        }

        /** Whether others wait and this one has had its turn: it may come back, behind them. */
        boolean shouldYield() {
            return places.hasQueuedThreads() && time.nanoTime() - openedNanos > TURN.toNanos();
        }

        @Override
        public void close() {
            if (endWatch()) {
                // The abort may come after the close, when the connection is somebody else's already: it has to come first.
                physical.abort();
            }
            Evictor.closeQuietly(connection);
            places.release();
        }
    }
}
