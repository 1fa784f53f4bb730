package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TransactionState;
import io.github.connecttransactretry.outcome.ServerSession;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;

/**
 * A connection on loan for one attempt: what it was like when it was taken, so that it can be put back so, and the two ways
 * to end the loan. For one thread.
 */
final class Lease {

    /** A rollback that takes longer is as good as a lost connection, and holds up the next attempt. */
    private static final Duration LONGEST_ROLLBACK = Duration.ofSeconds(2);
    /** At the deadline a rollback still gets this long: half of what a call may overrun. */
    private static final Duration SHORTEST_ROLLBACK = Duration.ofMillis(500);

    private final Connection connection;
    private final DriverSupport driver;
    private final PhysicalConnection physical;
    private final Evictor evictor;
    private final Watchdog watchdog;
    private final boolean autoCommit;
    private final boolean readOnly;
    private final int networkTimeout;
    private ServerSession session;
    private boolean asked;
    private Watchdog.Watch watch;
    private boolean aborted;
    private Runnable atEnd;

    Lease(Connection connection, Drivers.Recognised recognised, Evictor evictor, Watchdog watchdog, Runnable atEnd)
            throws SQLException {
        this.atEnd = atEnd;
        this.connection = connection;
        this.driver = recognised.driver();
        this.physical = recognised.physical();
        this.evictor = evictor;
        this.watchdog = watchdog;
        this.autoCommit = connection.getAutoCommit();
        this.readOnly = connection.isReadOnly();
        this.networkTimeout = connection.getNetworkTimeout();
    }

    Connection connection() {
        return connection;
    }

    DriverSupport driver() {
        return driver;
    }

    PhysicalConnection physical() {
        return physical;
    }

    ServerSession session() {
        return session;
    }

    /** Its server has answered on it since it was taken. */
    void asked() {
        asked = true;
    }

    boolean isAsked() {
        return asked;
    }

    void know(ServerSession learnt) {
        this.session = learnt;
    }

    /**
     * Bounds all that is done on the connection from here on: by the network timeout, and by the watchdog where that does not
     * bind. A shorter timeout of the connection's own stays: with it a lost connection shows long before the deadline.
     */
    void arm(Deadline deadline) throws SQLException {
        disarm();
        int left = deadline.toNetworkTimeoutMillis();
        connection.setNetworkTimeout(Runnable::run, networkTimeout == 0 ? left : Math.min(networkTimeout, left));
        watch = watchdog.watch(physical, deadline);
    }

    /** Stops the watchdog; the network timeout stays until it is set anew or put back. */
    void disarm() {
        if (watch != null) {
            aborted |= watch.end();
            watch = null;
        }
    }

    /** Whether the connection is closed, or was aborted by the watchdog, whose abort may still be under way. */
    boolean isLost() {
        return aborted || watch != null && watch.hasFired() || physical.isClosed();
    }

    /**
     * Gives the connection back as it was taken, rolling back what is open.
     *
     * @param inUse whether another thread may still be inside the driver
     * @return false if it had to be thrown away instead, with its transaction perhaps still open on the server
     */
    boolean giveBack(Deadline deadline, boolean inUse) {
        // On a virtual thread a set interrupt flag would close the socket with the next byte.
        boolean interrupted = Thread.interrupted();
        try {
            return restored(deadline, inUse);
        } catch (SQLException | RuntimeException broken) {
            evict(false);
            return false;
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private boolean restored(Deadline deadline, boolean inUse) throws SQLException {
        disarm();
        // The driver calls a session idle until BEGIN is answered: another thread's first statement may be under way.
        boolean beginning = inUse && physical.transactionState() == TransactionState.IDLE;
        if (!beginning && !isLost() && physical.transactionState() != TransactionState.IDLE) {
            Duration left = deadline.remaining();
            arm((left.compareTo(SHORTEST_ROLLBACK) < 0 ? evictor.in(SHORTEST_ROLLBACK) : deadline).within(LONGEST_ROLLBACK));
            connection.rollback();
            disarm();
        }
        if (beginning || isLost() || physical.transactionState() != TransactionState.IDLE) {
            evict(false);
            return false;
        }
        connection.setReadOnly(readOnly);
        connection.setAutoCommit(autoCommit);
        connection.setNetworkTimeout(Runnable::run, networkTimeout);
        connection.close();
        ended();
        return true;
    }

    /**
     * Closes the socket and keeps the connection out of its pool.
     *
     * @param staleServer whether the pool's idle connections are likely to be no better
     */
    void evict(boolean staleServer) {
        disarm();
        evictor.evict(connection, physical, staleServer);
        ended();
    }

    private void ended() {
        Runnable last = atEnd;
        atEnd = () -> { };
        last.run();
    }

}
