package io.github.connecttransactretry.drill;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;

/** The server under the drill, and the two ways to it. Safe from any thread. */
interface DrillServer extends AutoCloseable {

    /** The name that all connections of the transfers bear, so that nobody else's are ever ended. */
    String applicationName();

    /** The schema that the drill makes, and that {@link #close()} leaves no trace of. */
    String schema();

    /** The role that the transfers log in as. */
    String transferRole();

    /** One line for the reader, without a secret. */
    String description();

    /** The proxy on the transfers' way; empty if the server cannot be reached in plaintext. */
    Optional<WireProxy> proxy();

    /** A connection of the drill itself, which no fault meets but the crash. */
    Connection direct() throws SQLException;

    /** A connection for a transfer, or for a question about one. */
    Connection transfers() throws SQLException;

    /** Whether {@link #crash()} may be called. */
    boolean mayCrash();

    /** Kills the server, all processes at once. */
    void crash();

    /** Starts the server again after a crash, and returns when it answers. */
    void restart();

    @Override
    void close() throws SQLException;
}
