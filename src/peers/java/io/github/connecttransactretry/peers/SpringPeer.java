package io.github.connecttransactretry.peers;

import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
import org.springframework.core.retry.RetryException;
import org.springframework.core.retry.RetryPolicy;
import org.springframework.core.retry.RetryTemplate;
import org.springframework.dao.TransientDataAccessException;
import org.springframework.jdbc.core.ConnectionCallback;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * TransactionTemplate inside RetryTemplate. The reference (core/resilience): "By default, the method invocation will be retried
 * for any exception thrown"; it "can be specifically adapted ... by narrowing the exceptions to retry". The javadoc of
 * TransactionSynchronization: STATUS_UNKNOWN is the "completion status in case of heuristic mixed completion or system errors".
 */
final class SpringPeer implements Peer {

    private final JdbcTemplate jdbc;
    private final TransactionTemplate transaction;
    private final RetryTemplate retry;
    private final Kind kind;

    /** The policies that its documentation offers. */
    enum Kind {
        /** Transient data access exceptions alone. */
        TRANSIENT,
        /** Any exception, the default. */
        ANY,
        /** Any exception but where a synchronization was told STATUS_UNKNOWN after a COMMIT was begun. */
        STATUS_HEARD
    }

    SpringPeer(DataSource pool, Kind kind) {
        this.kind = kind;
        this.jdbc = new JdbcTemplate(pool);
        this.transaction = new TransactionTemplate(new JdbcTransactionManager(pool));
        transaction.setIsolationLevel(TransactionDefinition.ISOLATION_SERIALIZABLE);
        RetryPolicy.Builder policy = RetryPolicy.builder().maxRetries(ATTEMPTS - 1).timeout(BOUND).delay(FIRST_WAIT)
                .multiplier(2).maxDelay(LONGEST_WAIT).jitter(FIRST_WAIT.dividedBy((long) (1 / JITTER)));
        this.retry = new RetryTemplate(switch (kind) {
            case TRANSIENT -> policy.includes(TransientDataAccessException.class).build();
            case ANY -> policy.build();
            case STATUS_HEARD -> policy.excludes(OutcomeUnknown.class).build();
        });
    }

    @Override
    public <T> T call(Work<T> work) throws Exception {
        try {
            return retry.execute(() -> kind == Kind.STATUS_HEARD ? heard(work) : attempt(work));
        } catch (RetryException failed) {
            throw failed.getCause() instanceof OutcomeUnknown unknown ? unknown : failed;
        }
    }

    private <T> T attempt(Work<T> work) {
        return transaction.execute(status -> jdbc.execute((ConnectionCallback<T>) work::in));
    }

    private <T> T heard(Work<T> work) throws OutcomeUnknown {
        AtomicBoolean unknown = new AtomicBoolean();
        try {
            return attempt(connection -> {
                TransactionSynchronizationManager.registerSynchronization(new Ear(unknown));
                return work.in(connection);
            });
        } catch (RuntimeException failed) {
            if (unknown.get()) {
                throw new OutcomeUnknown(failed);
            }
            throw failed;
        }
    }

    /** Tells a status unknown after COMMIT from one after a rollback that did not get through. */
    private static final class Ear implements TransactionSynchronization {

        private final AtomicBoolean unknown;
        private boolean committing;

        Ear(AtomicBoolean unknown) {
            this.unknown = unknown;
        }

        @Override
        public void beforeCommit(boolean readOnly) {
            committing = true;
        }

        @Override
        public void afterCompletion(int status) {
            unknown.set(committing && status == STATUS_UNKNOWN);
        }
    }
}
