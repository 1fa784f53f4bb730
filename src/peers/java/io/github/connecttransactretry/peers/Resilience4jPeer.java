package io.github.connecttransactretry.peers;

import io.github.resilience4j.core.IntervalFunction;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import javax.sql.DataSource;

/**
 * Resilience4j's Retry around a plain transaction. Its documentation (docs/retry) has "retryOnExceptionPredicate: throwable ->
 * true" as the default, so that a lost connection is retried unless a narrower predicate is given. It knows no deadline.
 */
final class Resilience4jPeer implements Peer {

    private final DataSource pool;
    private final Retry retry;

    Resilience4jPeer(DataSource pool, boolean lostToo) {
        this.pool = pool;
        this.retry = Retry.of("peer", RetryConfig.custom()
                .maxAttempts(ATTEMPTS)
                .intervalFunction(IntervalFunction.ofExponentialRandomBackoff(FIRST_WAIT, 2, JITTER, LONGEST_WAIT))
                .retryOnException(thrown -> SqlErrors.isConflict(thrown) || lostToo && SqlErrors.isLost(thrown))
                .build());
    }

    @Override
    public <T> T call(Work<T> work) throws Exception {
        return retry.executeCallable(() -> PlainTransaction.run(pool, work));
    }
}
