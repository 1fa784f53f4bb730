package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptStarted;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A role's own time-outs and defaults do not come between the engine and its ledger. */
@Tag("matrix")
class RoleSettingsTest {

    private static CommitScene scene;

    private final Chronicle chronicle = new Chronicle();

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        CommitSchema.standard().install(scene.dataSource());
        scene.execute("CREATE ROLE app LOGIN", "GRANT SELECT, INSERT ON effect TO app");
        CommitSchema.standard().grant(scene.dataSource(), "app");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void forgetEarlierCalls() throws SQLException {
        scene.execute("TRUNCATE connect_transact_retry.commit_ledger");
    }

    @AfterEach
    void resetTheRole() throws SQLException {
        scene.releaseHeld();
        scene.script(WireScript.pass());
        scene.execute("ALTER ROLE app RESET ALL");
    }

    private static TransactionOptions keyed(boolean claimed) {
        TransactionOptions keyed = Keys.attempts("key").withTimeout(Duration.ofSeconds(20));
        return claimed ? keyed.withIdempotencyKey(keyed.idempotencyKey().claimedFirst()) : keyed;
    }

    private ConnectTransactRetryBuilder engine() {
        return scene.engine(chronicle, "app").outcome(OutcomeMode.LEDGER);
    }

    /** The claimed row is locked by the backend whose COMMIT is held: the resolver must get as far as ending that. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void shortStatementTimeoutKeepsNoResolverFromItsAnswer(boolean claimed) throws SQLException {
        scene.execute("ALTER ROLE app SET statement_timeout = '200ms'");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Ending ending = scene.call(engine(), keyed(claimed));
        ending.returned(2);
        assertEquals("ledger", chronicle.only(OutcomeResolved.class).resolver());
        assertTrue(chronicle.all(Fenced.class).stream().anyMatch(fenced -> fenced.result() == Result.TERMINATED),
                chronicle::toString);
        scene.releaseHeld();
        assertEquals(List.of(2), scene.effects(ending));
    }

    /** It cuts the wait for the other call with the key; going again is waiting too. */
    @ParameterizedTest
    @CsvSource({"false, true", "true, true", "false, false", "true, false"})
    void lockTimeoutDoesNotEndTheWaitForTheOtherCallWithTheKey(boolean claimed, boolean otherCommits) throws Exception {
        scene.execute("ALTER ROLE app SET lock_timeout = '100ms'");
        try (Connection other = scene.server().connect()) {
            other.setAutoCommit(false);
            try (Statement insert = other.createStatement()) {
                insert.execute("INSERT INTO connect_transact_retry.commit_ledger (token, kind, idempotency_key, label, codec,"
                        + " result) VALUES (gen_random_uuid(), 'committed', 'key', '', 'attempt', '7')");
            }
            Ending ending = CommitScene.running(() -> scene.call(engine(), keyed(claimed)), () -> {
                Await.until("two waits to be cut", CommitScene.PATIENCE, () -> chronicle.all(AttemptFailed.class).size() >= 2);
                if (otherCommits) {
                    other.commit();
                } else {
                    other.rollback();
                }
            });
            List<String> states = chronicle.all(AttemptFailed.class).stream().map(f -> f.failure().sqlState()).toList();
            assertTrue(states.subList(0, 2).equals(List.of("55P03", "55P03")), states::toString);
            if (otherCommits) {
                ending.returned(7);
                assertEquals(List.of(), scene.effects(ending));
            } else {
                ending.returned(states.size() + 1);
                assertEquals(List.of(states.size() + 1), scene.effects(ending));
            }
        }
    }

    /** How a call leaves its row. */
    enum Call {
        PLAIN, KEYED, CLAIMED;

        TransactionOptions options() {
            return this == PLAIN ? TransactionOptions.defaults() : keyed(this == CLAIMED);
        }
    }

    /**
     * It may as well be how a primary was demoted: the call waits for one that takes writes, and says why it got none. If the
     * time ends while a row and its COMMIT are under way, that it is unknown is the truth.
     */
    @ParameterizedTest
    @EnumSource
    void readOnlyDefaultIsWaitedFor(Call call) throws SQLException {
        scene.execute("ALTER ROLE app SET default_transaction_read_only = on");
        try (ConnectTransactRetry engine = engine().build()) {
            TransactionRetryException late = assertThrows(TransactionRetryException.class,
                    () -> engine.run(call.options().withTimeout(Duration.ofSeconds(2)), RoleSettingsTest::select));
            assertTrue(late instanceof DeadlineExceededException || late instanceof CommitOutcomeUnknownException, late::toString);
            assertTrue(late.failures().stream().anyMatch(failure -> "25006".equals(failure.sqlState())), late::getMessage);
        }
    }

    @Test
    void functionThatForbidsItselfToWriteIsRefusedItsRow() throws SQLException {
        assumeTrue(scene.server().majorVersion() >= 14, "a primary before PostgreSQL 14 does not say that it is one");
        try (ConnectTransactRetry engine = engine().build()) {
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> engine.execute(tx -> {
                select(tx);
                tx.connection().createStatement().execute("SET TRANSACTION READ ONLY");
            }));
            assertTrue(refused.getMessage().contains("a session that may write"), refused::getMessage);
            assertTrue(refused.getMessage().contains("commit_ledger"), refused::getMessage);
        }
        assertEquals(1, chronicle.all(AttemptStarted.class).size(), "a repeat would be refused too");
    }

    @Test
    void readOnlyDefaultDoesNotMatterToACallThatWritesNoRow() throws SQLException {
        scene.execute("ALTER ROLE app SET default_transaction_read_only = on");
        try (ConnectTransactRetry engine = scene.engine(chronicle, "app").outcome(OutcomeMode.STATUS).build()) {
            assertEquals(1, engine.<Integer, SQLException>run(TransactionOptions.defaults(), RoleSettingsTest::select));
        }
    }

    private static int select(Transaction tx) throws SQLException {
        try (Statement select = tx.connection().createStatement()) {
            select.execute("SELECT FROM effect");
        }
        return tx.attempt();
    }
}
