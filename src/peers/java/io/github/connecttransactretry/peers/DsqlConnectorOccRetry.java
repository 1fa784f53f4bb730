package io.github.connecttransactretry.peers;

import java.sql.SQLException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/**
 * The algorithm of {@code OCCRetry} in awslabs/aurora-dsql-connectors (java/jdbc, main branch), said again, as the connector's
 * only release, 1.0.0, does not have it: a fresh connection per attempt, SQLSTATE 40001 or "OC000" or "OC001" in the message,
 * 3 retries, 100 ms, doubled, at most 5 s, plus 0 to 25 % of chance. Lost connections are not its matter, and nothing can be
 * set to make them so.
 */
final class DsqlConnectorOccRetry implements Peer {

    private static final int MAX_RETRIES = 3;
    private static final long FIRST_DELAY_MILLIS = 100;
    private static final long LONGEST_DELAY_MILLIS = 5000;

    private final DataSource pool;

    DsqlConnectorOccRetry(DataSource pool) {
        this.pool = pool;
    }

    @Override
    public <T> T call(Work<T> work) throws SQLException, InterruptedException {
        for (int retries = 0;; retries++) {
            try {
                return PlainTransaction.run(pool, work);
            } catch (SQLException failed) {
                if (!isOccError(failed) || retries == MAX_RETRIES) {
                    throw failed;
                }
                long delay = Math.min(FIRST_DELAY_MILLIS << retries, LONGEST_DELAY_MILLIS);
                TimeUnit.MILLISECONDS.sleep(delay + ThreadLocalRandom.current().nextLong((long) (delay * JITTER) + 1));
            }
        }
    }

    private static boolean isOccError(SQLException failed) {
        String message = String.valueOf(failed.getMessage());
        return "40001".equals(failed.getSQLState()) || message.contains("OC000") || message.contains("OC001");
    }
}
