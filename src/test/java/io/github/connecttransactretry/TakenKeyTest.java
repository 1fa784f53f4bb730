package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.LedgerCase.Setting;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Two calls with the same idempotency key: one takes effect, and the other returns what that one has left. */
class TakenKeyTest {

    private static final Setting PLAIN = new Setting("preferQueryMode=extended", true, Isolation.SESSION);

    private static LedgerCases cases;

    @BeforeAll
    static void open() throws SQLException {
        cases = new LedgerCases();
    }

    @AfterAll
    static void close() throws SQLException {
        cases.close();
    }

    static Stream<Setting> settings() {
        return LedgerCase.everySetting();
    }

    @ParameterizedTest
    @MethodSource("settings")
    void takenWhileTheFunctionRuns(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build(); ConnectTransactRetry other = ledger.elsewhere().build()) {
            ledger.warm(engine);
            TransactionOptions keyed = ledger.options().withIdempotencyKey(key());
            assertEquals("the other's", engine.run(keyed, tx -> {
                ledger.append(tx);
                other.run(keyed, theirs -> "the other's");
                return "ours";
            }));
            AttemptFailure failure = ledger.chronicle().only(AttemptFailed.class).failure();
            assertEquals(List.of(Phase.COMMIT, "23505"), List.of(failure.phase(), failure.sqlState()));
            requireStoredResult(ledger);
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void claimWaitsForTheOneBeforeIt(Setting setting) throws Exception {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build(); ConnectTransactRetry other = ledger.elsewhere().build()) {
            ledger.warm(engine);
            TransactionOptions claimed = ledger.options().withIdempotencyKey(key().claimedFirst());
            List<CompletableFuture<String>> ours = new ArrayList<>();
            other.run(claimed, theirs -> {
                ours.add(waiting(ledger, engine, claimed));
                return "the other's";
            });
            assertEquals("the other's", ours.get(0).get());
            AttemptFailure failure = ledger.chronicle().only(AttemptFailed.class).failure();
            assertEquals(List.of(Phase.BEGIN, "23505"), List.of(failure.phase(), failure.sqlState()));
            requireStoredResult(ledger);
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void claimGoesThroughWhenTheOneBeforeItComesToNothing(Setting setting) throws Exception {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build(); ConnectTransactRetry other = ledger.elsewhere().build()) {
            ledger.warm(engine);
            TransactionOptions claimed = ledger.options().withIdempotencyKey(key().claimedFirst());
            List<CompletableFuture<String>> ours = new ArrayList<>();
            other.run(claimed, theirs -> {
                ours.add(waiting(ledger, engine, claimed));
                theirs.rollbackOnly();
                return "the other's";
            });
            assertEquals("ours", ours.get(0).get());
            assertEquals(List.of(), ledger.chronicle().all(AttemptFailed.class));
            ledger.requireCommitted(List.of(1), List.of("committed"));
            ledger.requireIdlePool();
        }
    }

    /** Our own call on a thread of its own, once its claim waits for another one's. */
    private static CompletableFuture<String> waiting(LedgerCase ledger, ConnectTransactRetry engine, TransactionOptions claimed) {
        CompletableFuture<String> ours = CompletableFuture.supplyAsync(() -> engine.run(claimed, tx -> {
            try {
                ledger.append(tx);
            } catch (SQLException failed) {
                throw new IllegalStateException(failed);
            }
            return "ours";
        }));
        Await.until("the second claim waits", Duration.ofSeconds(20), () -> ledger.ask(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'").equals("1"));
        return ours;
    }

    /** Where row security hides the row there is nothing to return; the call must say so, and not go round for ever. */
    @ParameterizedTest
    @ValueSource(strings = {"FOR ALL TO app USING (false) WITH CHECK (true)", "FOR INSERT TO app WITH CHECK (true)"})
    void byARowThatTheRoleCannotSee(String policy) throws SQLException {
        LedgerCase ledger = cases.of(PLAIN);
        String there = ledger.schema().ledger();
        try (ConnectTransactRetry engine = ledger.engine().build(); ConnectTransactRetry other = ledger.elsewhere().build()) {
            ledger.warm(engine);
            other.run(ledger.options().withIdempotencyKey(key()), theirs -> "the other's");
            ledger.execute("ALTER TABLE " + there + " ENABLE ROW LEVEL SECURITY",
                    "CREATE POLICY part ON " + there + " " + policy.formatted(there));
            for (IdempotencyKey key : List.of(key(), key().claimedFirst())) {
                TransactionRefusedException refused = assertThrows(TransactionRefusedException.class,
                        () -> engine.run(ledger.options().withIdempotencyKey(key), tx -> {
                            ledger.append(tx);
                            return "ours";
                        }));
                assertTrue(refused.getMessage().contains("row security") && refused.getMessage().contains(there),
                        refused.getMessage());
                assertEquals(3, refused.failures().size(), refused.failures().toString());
            }
            ledger.requireCommitted(List.of(), List.of("committed"));
            assertEquals(List.of(), ledger.chronicle().all(OutcomeAsked.class));
            ledger.requireIdlePool();
        } finally {
            ledger.execute("DROP POLICY IF EXISTS part ON " + there, "ALTER TABLE " + there + " DISABLE ROW LEVEL SECURITY");
        }
    }

    private static IdempotencyKey key() {
        return IdempotencyKey.of("payment-4711").withResult(ResultCodec.text());
    }

    /** No effect of ours, the one row of the other's, and nothing in doubt. */
    private static void requireStoredResult(LedgerCase ledger) throws SQLException {
        assertEquals(1, ledger.chronicle().all(StoredResultReturned.class).size(), ledger.chronicle().toString());
        ledger.requireCommitted(List.of(), List.of("committed"));
        assertEquals(List.of(), ledger.chronicle().all(OutcomeAsked.class));
        ledger.requireIdlePool();
    }
}
