package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Failure;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.classify.Verdict;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;

/** What a failed attempt means: what the engine knows better than any classifier, and the classifiers' word for the rest. */
final class Judgement {

    private final Engine engine;
    private final TransactionOptions options;
    private final Lease lease;

    /**
     * For one attempt.
     *
     * @param lease null if none could be had
     */
    Judgement(Engine engine, TransactionOptions options, Lease lease) {
        this.engine = engine;
        this.options = options;
        this.lease = lease;
    }

    Verdict of(Phase phase, Throwable thrown, String sqlState, boolean byFunction) {
        boolean lost = lease != null && lease.isLost();
        if (thrown instanceof Error || thrown instanceof TransactionRefusedException || isAnotherEngines(thrown)) {
            return Verdict.PERMANENT;
        }
        // Out of time or interrupted in a step of the engine's own: there is no other attempt, and nothing is broken.
        if (!byFunction && (thrown instanceof SQLTimeoutException || Thread.currentThread().isInterrupted())) {
            return lost ? Verdict.OUTAGE : Verdict.SATURATION;
        }
        SQLException carrier = SqlState.carrier(thrown).orElse(null);
        return engine.classify(new Failure(phase, thrown, sqlState, engine.drivers().routine(carrier), lost,
                options.access() == Access.READ_WRITE && !isKnownWritable(lease), isSerializable(options, lease)));
    }

    /** Whether the call runs at SERIALIZABLE, be it by its own wish or by the session's default. */
    static boolean isSerializable(TransactionOptions options, Lease lease) {
        return options.isolation() == Isolation.SERIALIZABLE || options.isolation() == Isolation.SESSION
                && lease != null && lease.session() != null && lease.session().isolation().equals("serializable");
    }

    /** From 14 on a server reports both, so that a 25006 all the same is the function's own doing. */
    static boolean isKnownWritable(Lease lease) {
        return lease != null && "off".equals(lease.physical().parameterStatus("in_hot_standby"))
                && "off".equals(lease.physical().parameterStatus("default_transaction_read_only"));
    }

    /** Another engine's word is final for its own transaction: to repeat ours would repeat its. */
    private static boolean isAnotherEngines(Throwable thrown) {
        return Causes.find(thrown, TransactionRetryException.class).isPresent();
    }
}
