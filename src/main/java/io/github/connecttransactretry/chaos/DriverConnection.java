package io.github.connecttransactretry.chaos;

import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TransactionState;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Iterator;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** The driver's connection below all wrappers. As thread-safe as {@link PhysicalConnection}. */
record DriverConnection(PhysicalConnection physical) {

    static DriverConnection below(Connection connection) throws SQLException {
        Iterator<DriverSupport> drivers =
                ServiceLoader.load(DriverSupport.class, DriverSupport.class.getClassLoader()).iterator();
        while (true) {
            try {
                if (!drivers.hasNext()) {
                    throw new SQLException("the DataSource hands out " + connection.getClass().getName() + ", which does not unwrap"
                            + " to a connection of pgjdbc: wrap a DataSource of PostgreSQL connections, with pgjdbc on the class path");
                }
                Optional<PhysicalConnection> physical = drivers.next().recognise(connection);
                if (physical.isPresent()) {
                    return new DriverConnection(physical.get());
                }
            } catch (ServiceConfigurationError | LinkageError withoutItsDriver) {
                continue;
            }
        }
    }

    Connection connection() {
        return physical.identity();
    }

    boolean isInTransaction() {
        return physical.transactionState() != TransactionState.IDLE;
    }

    boolean hasFailed() {
        return physical.transactionState() == TransactionState.FAILED;
    }
}
