package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.ground.Deadline;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Opens connections within a deadline, although JDBC knows no way to: on a thread of the engine, which the caller stops
 * waiting for. A connection that comes too late is closed. Thread-safe.
 */
final class Opener {

    /** Logins to a server that accepts and then is silent hang in the driver for ever; so many threads may be lost to that. */
    private static final int MOST_STUCK = 64;

    private final EngineThreads threads;
    private final boolean sourceEndsItself;
    private final AtomicInteger stuck = new AtomicInteger();

    /**
     * For one source.
     *
     * @param sourceEndsItself whether the source, as a pool does, gives up by itself: then none of its threads is ever lost
     */
    Opener(EngineThreads threads, boolean sourceEndsItself) {
        this.threads = threads;
        this.sourceEndsItself = sourceEndsItself;
    }

    /**
     * Opens one.
     *
     * @throws SQLTimeoutException without SQLSTATE, if none came in time
     */
    Connection open(ConnectionSource source, Deadline deadline) throws SQLException, InterruptedException {
        if (!sourceEndsItself && stuck.get() >= MOST_STUCK) {
            throw new SQLException(MOST_STUCK + " attempts to connect hang in the driver: the server accepts connections and"
                    + " then is silent. Set the driver's loginTimeout and socketTimeout, so that it gives up", "08001");
        }
        CompletableFuture<Connection> coming = new CompletableFuture<>();
        try {
            threads.workers().execute(() -> connect(source, coming));
        } catch (RejectedExecutionException closed) {
            throw new IllegalStateException("the engine is closed", closed);
        }
        boolean taken = false;
        try {
            Connection connection = coming.get(deadline.remaining().toNanos(), TimeUnit.NANOSECONDS);
            taken = true;
            return connection;
        } catch (TimeoutException late) {
            throw new SQLTimeoutException("no connection came within the call's deadline");
        } catch (ExecutionException failed) {
            taken = true;
            throw rethrow(failed.getCause());
        } finally {
            if (!taken && !coming.cancel(false)) {
                // It came in the very moment in which the wait was given up.
                coming.thenAccept(Evictor::closeQuietly);
            }
        }
    }

    private void connect(ConnectionSource source, CompletableFuture<Connection> coming) {
        coming.whenComplete((connection, thrown) -> {
            if (thrown instanceof CancellationException) {
                stuck.incrementAndGet();
            }
        });
        Connection connection = null;
        try {
            connection = notNull(source.open());
            if (!coming.complete(connection)) {
                Evictor.closeQuietly(connection);
            }
        } catch (Throwable thrown) {
            coming.completeExceptionally(thrown);
        } finally {
            if (coming.isCancelled()) {
                stuck.decrementAndGet();
            }
        }
    }

    static Connection notNull(Connection connection) throws SQLException {
        if (connection == null) {
            throw new SQLException("the DataSource or ConnectionSource returned null instead of a connection: let it throw an"
                    + " SQLException when it has none");
        }
        return connection;
    }

    private static SQLException rethrow(Throwable thrown) {
        if (thrown instanceof SQLException) {
            return (SQLException) thrown;
        }
        if (thrown instanceof Error) {
            throw (Error) thrown;
        }
        throw thrown instanceof RuntimeException ? (RuntimeException) thrown : new IllegalStateException(thrown);
    }
}
