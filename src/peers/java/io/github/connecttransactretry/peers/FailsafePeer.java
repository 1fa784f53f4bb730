package io.github.connecttransactretry.peers;

import dev.failsafe.Failsafe;
import dev.failsafe.FailsafeExecutor;
import dev.failsafe.RetryPolicy;
import javax.sql.DataSource;

/**
 * Failsafe's RetryPolicy around a plain transaction. Its documentation (failsafe.dev/retry) begins with "Retry on a
 * ConnectException up to 3 times with a 1 second delay between attempts", and by default "any exception is considered a
 * failure".
 */
final class FailsafePeer implements Peer {

    private final DataSource pool;
    private final FailsafeExecutor<Object> failsafe;

    FailsafePeer(DataSource pool, boolean lostToo) {
        this.pool = pool;
        this.failsafe = Failsafe.with(RetryPolicy.builder()
                .handleIf(thrown -> SqlErrors.isConflict(thrown) || lostToo && SqlErrors.isLost(thrown))
                .withMaxRetries(ATTEMPTS - 1)
                .withBackoff(FIRST_WAIT, LONGEST_WAIT)
                .withJitter(JITTER)
                .withMaxDuration(BOUND)
                .build());
    }

    @Override
    public <T> T call(Work<T> work) {
        return failsafe.get(() -> PlainTransaction.run(pool, work));
    }
}
