package io.github.connecttransactretry.peers;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/**
 * The pattern of {@code OccRetry.executeWithRetry} in aws-samples/aurora-dsql-samples, java/batch_operations: one connection,
 * SQLSTATE 40001 alone, {@code maxRetries} 3, {@code baseDelayMs} 100, doubled, no jitter. The sample commits after the retried
 * operation; here COMMIT is part of it, as PostgreSQL too may find a conflict only there.
 */
final class DsqlSample implements Peer {

    private static final int MAX_RETRIES = 3;
    private static final long BASE_DELAY_MILLIS = 100;

    private final DataSource pool;

    DsqlSample(DataSource pool) {
        this.pool = pool;
    }

    @Override
    public <T> T call(Work<T> work) throws SQLException, InterruptedException {
        try (Connection connection = pool.getConnection()) {
            connection.setAutoCommit(false);
            for (int retries = 0;; retries++) {
                try {
                    T value = work.in(connection);
                    connection.commit();
                    return value;
                } catch (SQLException failed) {
                    PlainTransaction.rollback(connection, failed);
                    if (!"40001".equals(failed.getSQLState()) || retries == MAX_RETRIES) {
                        throw failed;
                    }
                    TimeUnit.MILLISECONDS.sleep(BASE_DELAY_MILLIS << retries);
                }
            }
        }
    }
}
