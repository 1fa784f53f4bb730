package io.github.connecttransactretry.peers;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.SQLException;
import javax.sql.DataSource;

/** This library, with its default policy; in a mode that needs the tables they are installed first. */
final class ThisLibrary implements Peer {

    private final ConnectTransactRetry executor;

    ThisLibrary(DataSource pool, OutcomeMode mode) throws SQLException {
        if (mode != OutcomeMode.STATUS) {
            CommitSchema.standard().install(pool);
        }
        this.executor = ConnectTransactRetry.builder(pool).outcome(mode)
                .defaults(TransactionOptions.serializable().withTimeout(BOUND)).build();
    }

    @Override
    public <T> T call(Work<T> work) throws SQLException {
        return executor.run(transaction -> work.in(transaction.connection()));
    }

    @Override
    public void close() {
        executor.close();
    }
}
