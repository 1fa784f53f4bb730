package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.ErrorClassifier;
import io.github.connecttransactretry.deadletter.DeadLetterSink;
import io.github.connecttransactretry.ground.TimeSource;
import io.github.connecttransactretry.observe.Events;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerWriter;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.RetryBudget;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * What the builder freezes.
 *
 * @param plan                how outcomes are found out
 * @param writer              writes the ledger, where the plan has one
 * @param tokens              a new token for each call of it
 * @param fence               looks after abandoned backends
 * @param physicalReplication whether a later timeline is taken for a continuation of this one
 * @param mostInPool          how many calls may hold or wait for a connection of the pool at once
 * @param connectOnCaller     whether connections are taken on the caller's thread, however long that takes
 * @param budget              limits the retries of all calls together, or null
 * @param breaker             keeps attempts from a server that is away, or null
 * @param deadLetters         where letters go, or null
 */
record Settings(RetryPolicy policy, ErrorClassifier classifier, OutcomePlan plan, CommitSchema schema, LedgerWriter writer,
                Supplier<UUID> tokens, TransactionOptions defaults, BackendFence fence, boolean physicalReplication,
                int mostInPool, boolean connectOnCaller, RetryBudget budget, CircuitBreaker breaker, Events events,
                TimeSource time, DeadLetterSink deadLetters) {
}
