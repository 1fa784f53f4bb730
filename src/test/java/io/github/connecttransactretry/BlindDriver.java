package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TransactionState;
import io.github.connecttransactretry.postgres.PgDriverSupport;
import java.sql.Connection;
import java.util.List;
import java.util.Optional;

/** pgjdbc as it would be if it could not tell a failed transaction from an open one. Wrong on purpose. */
final class BlindDriver implements DriverSupport {

    private final DriverSupport sound = new PgDriverSupport();

    @Override
    public Optional<PhysicalConnection> recognise(Connection connection) {
        return sound.recognise(connection).map(BlindConnection::new);
    }

    @Override
    public boolean isServerReply(Throwable thrown) {
        return sound.isServerReply(thrown);
    }

    @Override
    public String serverRoutine(Throwable thrown) {
        return sound.serverRoutine(thrown);
    }

    @Override
    public List<String> split(String sql, boolean standardConforming) {
        return sound.split(sql, standardConforming);
    }

    private record BlindConnection(PhysicalConnection sound) implements PhysicalConnection {

        @Override
        public TransactionState transactionState() {
            TransactionState state = sound.transactionState();
            return state == TransactionState.FAILED ? TransactionState.OPEN : state;
        }

        @Override
        public Connection identity() {
            return sound.identity();
        }

        @Override
        public int backendPid() {
            return sound.backendPid();
        }

        @Override
        public String parameterStatus(String name) {
            return sound.parameterStatus(name);
        }

        @Override
        public boolean enforcesReadOnly() {
            return sound.enforcesReadOnly();
        }

        @Override
        public boolean isClosed() {
            return sound.isClosed();
        }

        @Override
        public void abort() {
            sound.abort();
        }
    }
}
