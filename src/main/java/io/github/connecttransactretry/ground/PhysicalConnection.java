package io.github.connecttransactretry.ground;

import java.sql.Connection;

/**
 * What a driver can tell of one physical connection without a round trip, and the one thing that it can do to it from
 * another thread. Made by {@link DriverSupport}. Only {@link #abort()} and {@link #isClosed()} are safe from other
 * threads.
 */
public interface PhysicalConnection {

    /** The driver's own connection object below all pool wrappers, never null: the key under which facts are kept. */
    Connection identity();

    /** The state of the session's transaction as the server last reported it, never null. */
    TransactionState transactionState();

    /** The process id that the server (or a pooler that stands for it) announced when the session began. */
    int backendPid();

    /**
     * The last value that the server reported of a setting (ParameterStatus), or null if it reports none.
     *
     * @param name for example {@code in_hot_standby}
     */
    String parameterStatus(String name);

    /** Whether the driver sends READ ONLY to the server after {@code setReadOnly(true)}, rather than ignoring it. */
    boolean enforcesReadOnly();

    /** Whether the driver has closed it or found it closed. Never throws: what cannot be asked is closed. */
    boolean isClosed();

    /** Closes the socket at once, whatever another thread is doing on it; that thread gets an exception. Never throws. */
    void abort();
}
