package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.ErrorClassifier;
import io.github.connecttransactretry.ground.TimeSource;
import io.github.connecttransactretry.observe.Events;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.util.List;

/**
 * What the builder freezes.
 *
 * @param resolvers           the chain, empty for no resolution at all
 * @param fencing             whether abandoned backends are ended
 * @param physicalReplication whether a later timeline is taken for a continuation of this one
 * @param mostInPool          how many calls may hold or wait for a connection of the pool at once
 * @param connectOnCaller     whether connections are taken on the caller's thread, however long that takes
 */
record Settings(RetryPolicy policy, ErrorClassifier classifier, List<CommitOutcomeResolver> resolvers, CommitSchema schema,
                TransactionOptions defaults, boolean fencing, boolean physicalReplication, int mostInPool, boolean connectOnCaller,
                Events events, TimeSource time) {

    /** Whether an ambiguous COMMIT can be looked into, so that evidence is worth taking. */
    boolean resolves() {
        return !resolvers.isEmpty();
    }
}
