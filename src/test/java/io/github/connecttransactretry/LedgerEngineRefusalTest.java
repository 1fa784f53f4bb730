package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.CommitVerification.Finding;
import io.github.connecttransactretry.outcome.LedgerResolver;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** What cannot be meant of an engine with a ledger is refused before anything begins, and leaves nothing behind. */
class LedgerEngineRefusalTest {

    private static final CommitSchema OTHER = new CommitSchema("other_schema");

    private static ConnectTransactRetryBuilder builder() {
        return ConnectTransactRetry.builder(new PGSimpleDataSource());
    }

    private static void requireIllegal(Executable call, String... words) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String word : words) {
            assertTrue(message.contains(word), message);
        }
    }

    /** Else every call of the engine would be a repeat of the first. */
    @Test
    void defaultsWithAnIdempotencyKeyAreRefused() {
        requireIllegal(() -> builder().defaults(TransactionOptions.idempotencyKey("k")), "an idempotency key", "one call");
    }

    @Test
    void defaultsWithAVerificationAreRefused() {
        requireIllegal(() -> builder().defaults(TransactionOptions.defaults().withVerification(c -> Finding.CANNOT_TELL)),
                "a verification", "one call");
    }

    /** Nobody would ask the ledger that the engine writes. */
    @ParameterizedTest
    @EnumSource(names = {"AUTOMATIC", "STATUS", "NONE"})
    void resolverOfAnotherLedgerAloneIsRefused(OutcomeMode mode) {
        String[] words = {OTHER.ledger(), CommitSchema.standard().ledger(), "give the builder that schema too"};
        requireIllegal(() -> builder().resolvers(new LedgerResolver(OTHER)).build(), words);
        requireIllegal(() -> builder().outcome(mode, new LedgerResolver(OTHER)).build(), words);
        builder().schema(OTHER).outcome(mode, new LedgerResolver(OTHER)).build().close();
        builder().outcome(mode, new LedgerResolver(OTHER)).schema(OTHER).build().close();
    }

    @Test
    void resolverOfAnotherLedgerMayStandBesideTheEnginesOwn() {
        builder().resolvers(new LedgerResolver(OTHER), new LedgerResolver(CommitSchema.standard())).build().close();
        for (OutcomeMode mode : new OutcomeMode[] {OutcomeMode.LEDGER, OutcomeMode.STATUS_THEN_LEDGER}) {
            builder().outcome(mode, new LedgerResolver(OTHER)).build().close();
        }
    }

    /** A call that is refused must not be counted, or the engine would wait for its end for ever. */
    @ParameterizedTest
    @ValueSource(strings = {"PT0S", "PT-1S"})
    void limitOfNoTimeIsRefusedAndTheEngineCloses(Duration limit) throws SQLException {
        try (CommitScene scene = CommitScene.open()) {
            CommitSchema.standard().install(scene.dataSource());
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            Chronicle chronicle = new Chronicle();
            scene.call(scene.engine(chronicle).outcome(OutcomeMode.LEDGER)).returned(1);
            CommitEvidence evidence = chronicle.only(OutcomeAsked.class).evidence();
            Set<Thread> others = engineThreads();
            ConnectTransactRetry executor = scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER).build();
            executor.resolve(evidence);
            Set<Thread> own = engineThreads();
            own.removeAll(others);
            assertFalse(own.isEmpty(), "it has a clock by now");
            requireIllegal(() -> executor.resolve(evidence, limit), "timeout is " + limit, "positive");
            executor.close();
            Await.until("the end of " + own, CommitScene.PATIENCE, () -> own.stream().noneMatch(Thread::isAlive));
        }
    }

    private static Set<Thread> engineThreads() {
        return Thread.getAllStackTraces().keySet().stream().filter(thread -> thread.getName().startsWith(EngineThreads.NAME))
                .collect(Collectors.toCollection(HashSet::new));
    }
}
