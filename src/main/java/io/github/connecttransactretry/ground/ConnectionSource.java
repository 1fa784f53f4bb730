package io.github.connecttransactretry.ground;

import java.sql.Connection;
import java.sql.SQLException;

/**
 * Where connections come from when there is no {@code DataSource}: {@code () -> DriverManager.getConnection(url, props)}.
 * Called by many threads at once, also by threads of the engine.
 */
@FunctionalInterface
public interface ConnectionSource {

    /**
     * Opens or lends a connection that has no transaction open; the engine closes it.
     *
     * @return the connection, never null
     * @throws SQLException if none can be had
     */
    Connection open() throws SQLException;
}
