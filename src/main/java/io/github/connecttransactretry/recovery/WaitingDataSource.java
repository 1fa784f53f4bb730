package io.github.connecttransactretry.recovery;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.TimeSource;
import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.logging.Logger;
import javax.sql.DataSource;

/**
 * A {@code DataSource} between a pool and the driver that waits while the server refuses, so that the pool never sees a
 * refusal. One thread at a time probes; when the server is back all go on at once. One line of configuration:
 *
 * <pre>{@code
 * config.setDataSource(new WaitingDataSource(pgDataSource, Duration.ofSeconds(30)));
 * }</pre>
 *
 * <p>Why: HikariCP's filler connects in one thread and after each refusal sleeps 10, 20, 40 ms and so on up to 5 s, whatever
 * the settings (HikariPool.PoolEntryCreator), so that after an outage the pool comes back up to 5 s later than the server.
 *
 * <p>Thread-safe.
 */
public final class WaitingDataSource implements DataSource {

    private static final Duration BETWEEN_PROBES = Duration.ofMillis(5);

    private final DataSource driver;
    private final Duration longestWait;
    private final TimeSource time;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition change = lock.newCondition();
    private boolean away;
    private boolean probing;

    /**
     * Around a driver's {@code DataSource}.
     *
     * @param driver      opens a new physical connection at each call, not null
     * @param longestWait how long a caller waits for a server that refuses before it gets the refusal, positive
     * @throws IllegalArgumentException if the wait is not positive
     */
    public WaitingDataSource(DataSource driver, Duration longestWait) {
        this(driver, longestWait, TimeSource.system());
    }

    /**
     * The same with a clock of the caller's.
     *
     * @param driver      opens a new physical connection at each call, not null
     * @param longestWait how long a caller waits, positive
     * @param time        the clock and sleep, not null
     * @throws IllegalArgumentException if the wait is not positive
     */
    public WaitingDataSource(DataSource driver, Duration longestWait, TimeSource time) {
        this.driver = Objects.requireNonNull(driver, "driver");
        this.time = Objects.requireNonNull(time, "time");
        this.longestWait = Objects.requireNonNull(longestWait, "longestWait");
        if (longestWait.isNegative() || longestWait.isZero()) {
            throw new IllegalArgumentException("the longest wait is " + longestWait + ": give a positive duration");
        }
    }

    @Override
    public Connection getConnection() throws SQLException {
        return patiently(driver::getConnection);
    }

    @Override
    public Connection getConnection(String username, String password) throws SQLException {
        return patiently(() -> driver.getConnection(username, password));
    }

    private Connection patiently(ConnectionSource source) throws SQLException {
        Deadline deadline = Deadline.after(time, longestWait);
        boolean prober = false;
        SQLException refusal = null;
        try {
            while (true) {
                prober = prober || awaitTurn(deadline, refusal);
                try {
                    Connection connection = source.open();
                    report(false);
                    return connection;
                } catch (SQLException failed) {
                    if (!SqlState.isConnectionLoss(SqlState.of(failed).orElse(null)) || deadline.hasPassed()) {
                        throw failed;
                    }
                    refusal = failed;
                    report(true);
                }
                if (prober) {
                    time.sleep(BETWEEN_PROBES);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new SQLException("interrupted while waiting for the server", e);
        } finally {
            if (prober) {
                endProbing();
            }
        }
    }

    /** Returns at once while the server is well; otherwise when this thread is to probe (true) or the server is back (false). */
    private boolean awaitTurn(Deadline deadline, SQLException refusal) throws SQLException, InterruptedException {
        lock.lockInterruptibly();
        try {
            while (away && probing) {
                if (change.awaitNanos(deadline.remaining().toNanos()) <= 0 && away) {
                    throw refusal != null ? refusal : new SQLException("the server still refuses connections after "
                            + longestWait, "08001");
                }
            }
            probing = away;
            return away;
        } finally {
            lock.unlock();
        }
    }

    private void report(boolean refused) {
        lock.lock();
        try {
            if (away != refused) {
                away = refused;
                change.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    private void endProbing() {
        lock.lock();
        try {
            probing = false;
            change.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public PrintWriter getLogWriter() throws SQLException {
        return driver.getLogWriter();
    }

    @Override
    public void setLogWriter(PrintWriter out) throws SQLException {
        driver.setLogWriter(out);
    }

    @Override
    public void setLoginTimeout(int seconds) throws SQLException {
        driver.setLoginTimeout(seconds);
    }

    @Override
    public int getLoginTimeout() throws SQLException {
        return driver.getLoginTimeout();
    }

    @Override
    public Logger getParentLogger() throws SQLFeatureNotSupportedException {
        return driver.getParentLogger();
    }

    @Override
    public <T> T unwrap(Class<T> type) throws SQLException {
        return type.isInstance(driver) ? type.cast(driver) : driver.unwrap(type);
    }

    @Override
    public boolean isWrapperFor(Class<?> type) throws SQLException {
        return type.isInstance(driver) || driver.isWrapperFor(type);
    }
}
