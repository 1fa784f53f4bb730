package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TransactionState;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.ServerSession;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;

/** Takes a connection for an attempt and sees that it is fit for one. Thread-safe. */
final class Connector {

    private final Pool pool;
    private final Drivers drivers;
    private final Opener opener;
    private final Evictor evictor;
    private final Watchdog watchdog;
    private final SessionCatalogue sessions;
    private final Door door;
    private final boolean connectOnCaller;

    Connector(Pool pool, Drivers drivers, Opener opener, Evictor evictor, Watchdog watchdog, SessionCatalogue sessions,
              Door door, boolean connectOnCaller) {
        this.door = door;
        this.pool = pool;
        this.drivers = drivers;
        this.opener = opener;
        this.evictor = evictor;
        this.watchdog = watchdog;
        this.sessions = sessions;
        this.connectOnCaller = connectOnCaller;
    }

    /**
     * A connection in no transaction, with what there is to know of it, armed with the call's deadline.
     *
     * @throws SQLException if none could be had, or it is of no use to this call; it is closed or evicted then
     */
    Lease take(Journey journey) throws SQLException, InterruptedException {
        while (true) {
            Lease lease = takeOne(journey);
            if (lease != null) {
                return lease;
            }
        }
    }

    /**
     * One connection of the pool; null if it had died there, unnoticed. HikariCP does not look at connections used within the
     * last 500 ms: after an outage each of them would cost an attempt.
     */
    private Lease takeOne(Journey journey) throws SQLException, InterruptedException {
        door.enter(journey.deadline());
        journey.connectBegins();
        Lease lease;
        try {
            lease = borrow(journey.deadline());
        } catch (SQLException | InterruptedException | RuntimeException | Error none) {
            door.leave();
            throw none;
        }
        boolean seenBefore = sessions.knows(lease.physical());
        try {
            lease.arm(journey.deadline());
            admit(lease, journey, seenBefore);
            return lease;
        } catch (TransactionRefusedException refused) {
            lease.giveBack(journey.deadline(), false);
            throw refused;
        } catch (SQLException | RuntimeException | Error broken) {
            boolean died = seenBefore && lease.isLost() && !journey.deadline().hasPassed();
            lease.evict(isStale(broken));
            journey.tell(new TransactionEvent.Evicted(journey.options().label(), isStale(broken)));
            if (died) {
                return null;
            }
            throw broken;
        }
    }

    private Lease borrow(Deadline deadline) throws SQLException, InterruptedException {
        Connection connection = open(deadline);
        if (connection.isClosed()) {
            Evictor.closeQuietly(connection);
            throw new SQLException("the connection was closed already when it was handed out",
                    SqlState.CONNECTION_DOES_NOT_EXIST);
        }
        Drivers.Recognised recognised = drivers.recognise(connection).orElseThrow(() -> {
            Evictor.closeQuietly(connection);
            return Refusals.foreignDriver(connection);
        });
        if (recognised.physical().transactionState() != TransactionState.IDLE) {
            // Without a wrapper around it, which knows what close() is to mean here, closing would end that transaction.
            if (connection != recognised.physical().identity()) {
                Evictor.closeQuietly(connection);
            }
            throw Refusals.openTransaction(pool.openTransactionHazard());
        }
        try {
            return new Lease(connection, recognised, evictor, watchdog, door::leave);
        } catch (SQLException | RuntimeException broken) {
            evictor.evict(connection, recognised.physical(), false);
            throw broken;
        }
    }

    private Connection open(Deadline deadline) throws SQLException, InterruptedException {
        Duration left = deadline.remaining();
        boolean boundedBySource = pool.longestWait().filter(wait -> wait.compareTo(left) < 0).isPresent();
        try {
            return connectOnCaller || boundedBySource ? Opener.notNull(pool.source().open()) : opener.open(pool.source(), deadline);
        } catch (SQLException none) {
            Optional<String> spoiled = pool.spoiled(none);
            if (spoiled.isPresent()) {
                throw Refusals.spoiledPool(spoiled.get(), none);
            }
            throw none;
        }
    }

    /** Whether there is nobody whose connection could be waited for, so that who waits in vain waits for the server. */
    boolean isEmpty() {
        return pool.isEmpty();
    }

    /** Has the connection learnt anew when it is taken next, and the server looked at again. */
    void forget(Lease lease) {
        sessions.forget(lease.physical());
    }

    private void admit(Lease lease, Journey journey, boolean seenBefore) throws SQLException {
        PhysicalConnection physical = lease.physical();
        String leastTimeline = journey.leastTimeline();
        boolean writable = journey.options().access() == Access.READ_WRITE;
        if (writable && "on".equals(physical.parameterStatus("in_hot_standby"))) {
            throw stale("is a standby");
        }
        ServerSession session = sessions.of(physical, journey.hasLostConnection());
        if (writable && session.inRecovery()) {
            throw stale("is a standby");
        }
        if (leastTimeline != null && session.incarnation() != null && session.incarnation().isOlderThan(leastTimeline)) {
            throw stale("is on an older timeline than the one that answered for this call: it was failed over from");
        }
        if (writable) {
            evictor.primaryMet();
        }
        lease.know(session);
        if (!seenBefore || journey.hasLostConnection()) {
            lease.asked();
        }
    }

    private static SQLException stale(String what) {
        return new SQLException("the server " + what, SqlState.READ_ONLY_SQL_TRANSACTION);
    }

    private static boolean isStale(Throwable broken) {
        return SqlState.of(broken).filter(SqlState.READ_ONLY_SQL_TRANSACTION::equals).isPresent();
    }
}
