package io.github.connecttransactretry.chaos;

import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * One physical connection on which faults are made. For one thread at a time, as its connection is, but for
 * {@link #wake}, {@link #isAway} and {@link #isOver}.
 */
final class FaultyLink {

    private static final String CONNECTION_FAILURE = "08006";

    private static final String ADMIN_SHUTDOWN = "57P01";

    /** Longer transactions than this are searched for a text in part. */
    private static final int MOST_TEXTS = 1000;

    private final FaultyDataSource source;
    private final DriverConnection driver;
    private final int number;
    private final Map<Place, Integer> visits = new EnumMap<>(Place.class);
    private final Set<String> texts = new LinkedHashSet<>();
    private final CountDownLatch ended = new CountDownLatch(1);
    private final Object driverProxy;
    private volatile Connection lent;
    private volatile boolean away;

    FaultyLink(FaultyDataSource source, DriverConnection driver, int number) {
        this.source = source;
        this.driver = driver;
        this.number = number;
        this.driverProxy = FaultyObject.connection(this, driver.connection());
    }

    /** What is to be done on the real object. */
    interface Doing {
        Object run() throws Throwable;
    }

    /** The connection as it is handed out: the driver's, or a pool's that leads to it. */
    Connection lend(Connection opened) {
        lent = opened;
        return (Connection) (opened == driver.connection() ? driverProxy : FaultyObject.connection(this, opened));
    }

    /** The driver's connection with the faults before it. */
    Object driverProxy() {
        return driverProxy;
    }

    DriverConnection driver() {
        return driver;
    }

    /** Whether the client has lost the connection while the server still has it. */
    boolean isAway() {
        return away;
    }

    boolean isOver() {
        return driver.physical().isClosed();
    }

    /** Somebody has closed the connection, perhaps while it was silent. */
    void wake() {
        ended.countDown();
    }

    /** Comes to a place, where the thing to do is done, or goes wrong. */
    Object visit(Place place, String text, Doing doing) throws Throwable {
        FaultPlan.Visit visit = remember(place, text);
        Fault fault = source.course().at(visit);
        if (fault == null) {
            return doing.run();
        }
        FaultJournal.Entry entry = source.journal().begin(visit, fault);
        try {
            return make(fault, place, doing, entry);
        } finally {
            source.outage().after(fault);
        }
    }

    /** Statements may come from several threads: the driver, too, takes them one after the other. */
    private synchronized FaultPlan.Visit remember(Place place, String text) {
        if (!driver.isInTransaction()) {
            texts.clear();
        }
        if (texts.size() < MOST_TEXTS) {
            texts.add(text);
        }
        int nthHere = visits.merge(place, 1, Integer::sum);
        String seen = place == Place.COMMIT ? String.join("\n", texts) : text;
        return new FaultPlan.Visit(place, source.journal().next(place), number, nthHere, seen);
    }

    private Object make(Fault fault, Place place, Doing doing, FaultJournal.Entry entry) throws Throwable {
        switch (fault.kind()) {
            case RAISE:
                return raise(fault.sqlState(), place, entry);
            case DELIVER_LATE:
                away = true;
                source.hold(new LateCommit(this, lent, doing, entry));
                throw lost(entry.outcome("not delivered yet"), new SocketException("Connection reset"));
            case SILENCE_BEFORE:
                throw silence(fault, entry.outcome("not sent"));
            case SILENCE_AFTER:
                throw silence(fault, entry.outcome(outcome(doing)));
            case LOSE_ANSWER:
                FaultDone done = entry.outcome(outcome(doing));
                end();
                throw lost(done, new SocketException("Connection reset"));
            default:
                end();
                throw lost(entry.outcome("not sent"), new SocketException("Connection reset"));
        }
    }

    /** Does it, and says what the server made of it. */
    String outcome(Doing doing) {
        // pgjdbc returns normally from the COMMIT of a failed transaction.
        boolean failed = driver.hasFailed();
        try {
            doing.run();
            return failed ? "done in a transaction that had failed: rolled back" : "done";
        } catch (SQLException refused) {
            return "refused with " + refused.getSQLState() + ": " + refused.getMessage();
        } catch (Throwable broken) {
            return "broken: " + broken;
        }
    }

    /** Closes the socket, and has a pool between notice, as it would by the error of a connection below it. */
    void end() {
        ended.countDown();
        driver.physical().abort();
        noticed();
    }

    void noticed() {
        if (lent != driver.connection()) {
            try (Statement none = lent.createStatement()) {
                none.isClosed();
            } catch (SQLException thatIsTheNotice) {
                // The pool below has read its SQLSTATE.
            }
        }
    }

    private SQLException silence(Fault fault, FaultDone done) throws SQLException {
        long most = fault.silence().toMillis();
        int timeout = driver.connection().isClosed() ? 0 : driver.connection().getNetworkTimeout();
        boolean closed = awaitEnd(Duration.ofMillis(timeout == 0 ? most : Math.min(most, timeout)));
        end();
        return lost(done, closed ? new SocketException("Socket closed") : new SocketTimeoutException("Read timed out"));
    }

    /** As on a socket of a platform thread, an interrupt ends no wait. */
    private boolean awaitEnd(Duration atMost) {
        long end = System.nanoTime() + atMost.toNanos();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return ended.await(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException later) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static SQLException lost(FaultDone done, Exception cause) {
        return new SQLException("An I/O error occurred while sending to the backend. (" + done + ")", CONNECTION_FAILURE, cause);
    }

    private Object raise(String sqlState, Place place, FaultJournal.Entry entry) throws SQLException {
        String sql = sqlState.equals(ADMIN_SHUTDOWN)
                ? "SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())"
                : "DO $fault$BEGIN RAISE EXCEPTION 'raised by the fault plan' USING ERRCODE = '" + sqlState + "'; END$fault$";
        try (Statement statement = lent.createStatement()) {
            statement.execute(sql);
        } catch (SQLException raised) {
            entry.outcome("the server raised " + raised.getSQLState());
            if (place == Place.COMMIT && driver.isInTransaction() && !driver.physical().isClosed()) {
                rollBack();
            }
            throw raised;
        }
        throw new IllegalStateException("the server raised nothing for " + entry.get());
    }

    /** As SQL, since rollback() is refused in autocommit, where a BEGIN may have been sent as SQL too. */
    private void rollBack() throws SQLException {
        try (Statement statement = lent.createStatement()) {
            statement.execute("ROLLBACK");
        }
    }
}
