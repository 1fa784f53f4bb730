package io.github.connecttransactretry.chaos;

import java.io.PrintWriter;
import java.net.ConnectException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import java.util.logging.Logger;
import javax.sql.DataSource;
import org.slf4j.LoggerFactory;

/**
 * A {@code DataSource} of PostgreSQL connections on which things go wrong at exact places, as a {@link FaultPlan} has it: for
 * tests of your own transactional functions. What happens on the server is real, and so are the errors that the server raises; a
 * connection that is lost is really closed, and says SQLSTATE 08006 as pgjdbc would. It goes below a pool
 * ({@code HikariConfig.setDataSource}), above one, or without. Thread-safe.
 *
 * <p>Its connections unwrap to pgjdbc's. What is sent by way of a class of pgjdbc, rather than an interface, is not seen; nor is a
 * COMMIT inside a procedure. Nothing but closing it is needed at the end, and that only if the plan has
 * {@link Fault#DELIVER_LATE}; it does not close the wrapped {@code DataSource}.
 */
public final class FaultyDataSource implements DataSource, AutoCloseable {

    private static final org.slf4j.Logger LOG = LoggerFactory.getLogger(FaultyDataSource.class);

    private final DataSource real;
    private final FaultPlan plan;
    private final FaultPlan.Course course;
    private final FaultJournal journal = new FaultJournal();
    private final Outage outage;
    private final AtomicInteger connections = new AtomicInteger();
    private final AtomicInteger told = new AtomicInteger();
    private final Map<Connection, FaultyLink> links = new ConcurrentHashMap<>();
    private final Queue<LateCommit> late = new ConcurrentLinkedQueue<>();

    private FaultyDataSource(DataSource real, FaultPlan plan, LongSupplier nanoTime) {
        this.real = Objects.requireNonNull(real, "real");
        this.plan = Objects.requireNonNull(plan, "plan");
        this.course = plan.begin();
        this.outage = new Outage(Objects.requireNonNull(nanoTime, "nanoTime"));
    }

    /**
     * Puts faults before a {@code DataSource}, and logs the plan.
     *
     * @param real whose connections are pgjdbc's, or unwrap to them
     * @param plan begins now
     * @return hands out connections of its own, each around a real one
     */
    public static FaultyDataSource wrap(DataSource real, FaultPlan plan) {
        return wrap(real, plan, System::nanoTime);
    }

    /**
     * The same with a clock of one's own, by which an outage ends.
     *
     * @param real     as above
     * @param plan     as above
     * @param nanoTime a monotonic reading in nanoseconds, of use only as a difference
     * @return as above
     */
    public static FaultyDataSource wrap(DataSource real, FaultPlan plan, LongSupplier nanoTime) {
        LOG.info("faults by plan: {}", plan);
        return new FaultyDataSource(real, plan, nanoTime);
    }

    /**
     * The faults made so far.
     *
     * @return in their order
     */
    public List<FaultDone> done() {
        return journal.done();
    }

    /** How many physical connections are remembered: those that live, and such as ended since the last connect. */
    int connectionsKept() {
        return links.size();
    }

    /** Whether a fault was made since this was asked last, or ever if it was not. */
    boolean hasMadeFaultsSince() {
        int made = journal.done().size();
        return told.getAndSet(made) < made;
    }

    /**
     * How many places of a kind were come to so far.
     *
     * @param place its kind
     * @return with a fault or without
     */
    public int visits(Place place) {
        return journal.visits(Objects.requireNonNull(place, "place"));
    }

    /**
     * What a script names and was not come to yet: a test whose faults did not happen shows nothing.
     *
     * @return one line for each place; empty for a seeded plan
     */
    public List<String> notReached() {
        return course.notReached();
    }

    /**
     * Delivers the COMMITs that {@link Fault#DELIVER_LATE} has held back, one after the other; each may take as long as the server
     * does, but at most {@value LateCommit#PATIENCE_SECONDS} s.
     *
     * @return what became of them, in {@link FaultDone#outcome()}
     */
    public List<FaultDone> deliverLate() {
        List<FaultDone> delivered = new ArrayList<>();
        for (LateCommit next = late.poll(); next != null; next = late.poll()) {
            delivered.add(next.deliver());
        }
        return delivered;
    }

    /** Delivers what is held back: see {@link #deliverLate()}. */
    @Override
    public void close() {
        deliverLate();
    }

    @Override
    public Connection getConnection() throws SQLException {
        return connect(real::getConnection);
    }

    @Override
    public Connection getConnection(String username, String password) throws SQLException {
        return connect(() -> real.getConnection(username, password));
    }

    private interface Opening {
        Connection open() throws SQLException;
    }

    private Connection connect(Opening opening) throws SQLException {
        int nth = journal.next(Place.CONNECT);
        FaultPlan.Visit visit = new FaultPlan.Visit(Place.CONNECT, nth, 0, nth, "");
        Fault fault = course.at(visit);
        if (fault == null && outage.takesOne()) {
            fault = Fault.REFUSE;
        }
        if (fault != null) {
            FaultJournal.Entry entry = journal.begin(visit, fault);
            outage.after(fault);
            throw new SQLException("Connection refused. (" + entry.outcome("nothing was opened") + ")", "08001",
                    new ConnectException("Connection refused"));
        }
        deliverWhatAPoolMisses();
        Connection opened = opening.open();
        return opened == null ? null : linkOf(opened).lend(opened);
    }

    /** A pool below has no way to give up a connection without closing it, and would run dry. */
    private void deliverWhatAPoolMisses() {
        for (LateCommit held : late) {
            if (held.isOfPool() && late.remove(held)) {
                held.deliver();
            }
        }
    }

    /** One for each connection of the driver, however often a pool below hands it out. */
    private FaultyLink linkOf(Connection opened) throws SQLException {
        DriverConnection driver;
        try {
            driver = DriverConnection.below(opened);
        } catch (SQLException foreign) {
            opened.close();
            throw foreign;
        }
        links.values().removeIf(FaultyLink::isOver);
        return links.computeIfAbsent(driver.connection(), first -> new FaultyLink(this, driver, connections.incrementAndGet()));
    }

    FaultPlan.Course course() {
        return course;
    }

    FaultJournal journal() {
        return journal;
    }

    Outage outage() {
        return outage;
    }

    void hold(LateCommit commit) {
        late.add(commit);
    }

    @Override
    public PrintWriter getLogWriter() throws SQLException {
        return real.getLogWriter();
    }

    @Override
    public void setLogWriter(PrintWriter out) throws SQLException {
        real.setLogWriter(out);
    }

    @Override
    public void setLoginTimeout(int seconds) throws SQLException {
        real.setLoginTimeout(seconds);
    }

    @Override
    public int getLoginTimeout() throws SQLException {
        return real.getLoginTimeout();
    }

    @Override
    public Logger getParentLogger() throws SQLFeatureNotSupportedException {
        return real.getParentLogger();
    }

    @Override
    public <T> T unwrap(Class<T> type) throws SQLException {
        if (type.isInstance(this)) {
            return type.cast(this);
        }
        return type.isInstance(real) ? type.cast(real) : real.unwrap(type);
    }

    @Override
    public boolean isWrapperFor(Class<?> type) throws SQLException {
        return type.isInstance(this) || type.isInstance(real) || real.isWrapperFor(type);
    }

    /** The plan with its seed, what was seen and done, and what of a script was not reached: one line for a test's output. */
    @Override
    public String toString() {
        return plan + ": " + journal + " held=" + late.size()
                + (notReached().isEmpty() ? "" : " not reached=" + notReached());
    }
}
