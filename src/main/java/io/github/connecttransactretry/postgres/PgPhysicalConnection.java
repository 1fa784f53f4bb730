package io.github.connecttransactretry.postgres;

import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TransactionState;
import java.sql.Connection;
import java.sql.SQLException;
import org.postgresql.core.BaseConnection;

/** One connection of pgjdbc. */
final class PgPhysicalConnection implements PhysicalConnection {

    private final BaseConnection connection;

    PgPhysicalConnection(BaseConnection connection) {
        this.connection = connection;
    }

    @Override
    public Connection identity() {
        return connection;
    }

    @Override
    public TransactionState transactionState() {
        switch (connection.getTransactionState()) {
            case OPEN:
                return TransactionState.OPEN;
            case FAILED:
                return TransactionState.FAILED;
            default:
                return TransactionState.IDLE;
        }
    }

    @Override
    public int backendPid() {
        return connection.getBackendPID();
    }

    @Override
    public String parameterStatus(String name) {
        return connection.getParameterStatus(name);
    }

    @Override
    public boolean enforcesReadOnly() {
        return connection.hintReadOnly();
    }

    @Override
    public boolean isClosed() {
        try {
            return connection.isClosed();
        } catch (SQLException unaskable) {
            return true;
        }
    }

    @Override
    public void abort() {
        try {
            connection.abort(Runnable::run);
        } catch (SQLException | RuntimeException alreadyGone) {
            // The one thing that matters, that no thread waits on the socket any more, holds for a connection that is gone.
        }
    }
}
