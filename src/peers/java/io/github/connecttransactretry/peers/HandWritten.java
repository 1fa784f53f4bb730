package io.github.connecttransactretry.peers;

import java.sql.SQLException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/**
 * The loop that people write: a fresh connection per attempt, conflicts and lost connections retried, exponential waits.
 * The careful kind does not retry where COMMIT was lost, and says so, as the drivers' sisters do: "in_doubt_error" in libpqxx,
 * "AmbiguousCommitError" in cockroach-go.
 */
final class HandWritten implements Peer {

    private final DataSource pool;
    private final boolean careful;

    HandWritten(DataSource pool, boolean careful) {
        this.pool = pool;
        this.careful = careful;
    }

    @Override
    public <T> T call(Work<T> work) throws SQLException, InterruptedException {
        long begun = System.nanoTime();
        for (int attempt = 1;; attempt++) {
            try {
                return PlainTransaction.run(pool, work, this::atCommit);
            } catch (SQLException failed) {
                boolean retried = !(failed instanceof OutcomeUnknown)
                        && (SqlErrors.isConflict(failed) || SqlErrors.isLost(failed));
                if (!retried || attempt == ATTEMPTS || System.nanoTime() - begun > BOUND.toNanos()) {
                    throw failed;
                }
                pause(attempt);
            }
        }
    }

    private SQLException atCommit(SQLException failed) {
        return careful && SqlErrors.isLost(failed) ? new OutcomeUnknown(failed) : failed;
    }

    /** The wait before the next attempt. */
    static void pause(int attempt) throws InterruptedException {
        double wait = Math.min(FIRST_WAIT.toMillis() * Math.pow(2, attempt - 1), LONGEST_WAIT.toMillis());
        TimeUnit.MILLISECONDS.sleep((long) (wait * ThreadLocalRandom.current().nextDouble(1 - JITTER, 1 + JITTER)));
    }
}
