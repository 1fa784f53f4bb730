package io.github.connecttransactretry.chaos;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.Transaction;
import io.github.connecttransactretry.chaos.Bench.Layout;
import io.github.connecttransactretry.chaos.ExactlyOnce.Call;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is not safe to retry, or not retried safely, is found out; what is, passes. */
class ExactlyOnceTest {

    /** Each kind of loss in turn, and conflicts; a seed of its own, so that a failure repeats itself. */
    private static final FaultPlan MIXED = FaultPlan.seeded(20261122)
            .atCommits(0.1, Fault.LOSE_ANSWER).atCommits(0.1, Fault.CUT_BEFORE).atCommits(0.1, Fault.DELIVER_LATE)
            .atCommits(0.1, Fault.raise("40001"))
            .atStatements(0.05, Fault.raise("40P01"));

    private static TestDatabase database;
    private static DataSource owner;

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        owner = database.plain("");
        CommitSchema.standard().install(owner);
        database.execute("CREATE TABLE orders (reference text)", "CREATE ROLE app LOGIN", "GRANT INSERT ON orders TO app",
                "GRANT pg_signal_backend TO app");
        CommitSchema.standard().grant(owner, "app");
    }

    @AfterAll
    static void close() {
        database.close();
    }

    /** No trial leaves its table. */
    @AfterEach
    void nothingIsLeft() throws SQLException {
        assertEquals("0", database.ask("SELECT count(*) FROM pg_class WHERE relname LIKE 'exactly%'"));
    }

    private static void order(Connection connection, Call call) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO orders VALUES (?)")) {
            insert.setString(1, call.id());
            insert.executeUpdate();
        }
    }

    private interface Body {
        int run(Connection connection) throws SQLException;
    }

    /** As many programs retry: whenever the connection was lost or the server had a conflict. */
    private static int naively(DataSource dataSource, Body body) throws SQLException {
        for (int left = 10; ; left--) {
            try (Connection connection = dataSource.getConnection()) {
                connection.setAutoCommit(false);
                try {
                    int value = body.run(connection);
                    connection.commit();
                    return value;
                } catch (SQLException failed) {
                    if (!connection.isClosed()) {
                        connection.rollback();
                    }
                    throw failed;
                }
            } catch (SQLException failed) {
                String state = String.valueOf(failed.getSQLState());
                if (left == 0 || !state.startsWith("08") && !state.startsWith("40")) {
                    throw failed;
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(value = OutcomeMode.class, names = {"STATUS", "LEDGER", "STATUS_THEN_LEDGER"})
    void theEngineIsExactlyOnce(OutcomeMode mode) throws SQLException {
        for (Layout layout : Layout.values()) {
            try (Bench bench = Bench.of(database, layout, "user=app", MIXED);
                    ConnectTransactRetry engine = ConnectTransactRetry.builder(bench.top()).outcome(mode).build()) {
                AuditReport report = ExactlyOnce.under(bench.faulty(), owner).calls(30).effects("SELECT reference FROM orders")
                        .check(call -> engine.run(tx -> {
                            order(tx.connection(), call);
                            return call.attempt(tx.connection());
                        }));
                assertSame(report, report.requireExactlyOnceAndKnown());
                assertEquals(30, report.acknowledged(), report::toString);
                assertTrue(bench.faulty().done().size() > 5, bench.faulty()::toString);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void aNaiveLoopDoubles(Layout layout) throws SQLException {
        try (Bench bench = Bench.of(database, layout, "", MIXED)) {
            AssertionError caught = assertThrows(AssertionError.class, () -> ExactlyOnce.under(bench.faulty(), owner).calls(30)
                    .check(call -> naively(bench.top(), call::attempt)));
            assertTrue(caught.getMessage().contains("not exactly once: acknowledged=30"), caught::getMessage);
            assertTrue(caught.getMessage().contains("seed 20261122"), caught::getMessage);
            assertTrue(caught.getMessage().contains("LOSE_ANSWER (done)"), caught::getMessage);
        }
    }

    /** One fault is enough, and the report says which call. */
    @Test
    void oneLostAnswerDoublesOneCall() throws SQLException {
        for (Fault fault : List.of(Fault.LOSE_ANSWER, Fault.DELIVER_LATE)) {
            try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.script().atCommit(3, fault))) {
                AuditReport report = ExactlyOnce.under(faulty, owner).calls(5).threads(1)
                        .run(call -> naively(faulty, call::attempt));
                assertEquals(1, report.doubled(), report::toString);
                assertTrue(report.doubledCalls().get(0).matches("call-[0-9a-f]{8}-3 in attempts \\[1, 2]"), report::toString);
                assertEquals(5, report.acknowledged());
                assertEquals(0, report.lost() + report.wrong());
            }
        }
    }

    /** A trial that goes on with a plan whose faults an earlier one has used up shows nothing. */
    @Test
    void eachTrialNeedsFaultsOfItsOwn() throws SQLException {
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.script().atStatement(1, Fault.raise("40001")))) {
            ExactlyOnce trial = ExactlyOnce.under(faulty, owner).calls(3).threads(1);
            assertEquals(3, trial.check(call -> naively(faulty, call::attempt)).acknowledged());
            AssertionError none = assertThrows(AssertionError.class, () -> trial.check(call -> naively(faulty, call::attempt)));
            assertTrue(none.getMessage().startsWith("not all faults were made"), none::getMessage);
        }
    }

    @Test
    void givingUpOnALossReportsCommittedWorkAsFailed() throws SQLException {
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.script().atCommit(2, Fault.LOSE_ANSWER))) {
            ExactlyOnce trial = ExactlyOnce.under(faulty, owner).calls(3).threads(1);
            AuditReport report = trial.run(call -> once(faulty, call));
            assertEquals(1, report.wrong(), report::toString);
        }
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.script().atCommit(2, Fault.LOSE_ANSWER))) {
            AuditReport report = ExactlyOnce.under(faulty, owner).calls(3).threads(1)
                    .unknownIf(thrown -> thrown instanceof SQLException lost && "08006".equals(lost.getSQLState()))
                    .check(call -> once(faulty, call));
            assertEquals(1, report.unknown().size(), report::toString);
            assertThrows(AssertionError.class, report::requireExactlyOnceAndKnown);
        }
    }

    private static int once(DataSource dataSource, Call call) throws SQLException {
        try (Connection connection = dataSource.getConnection()) {
            connection.setAutoCommit(false);
            int attempt = call.attempt(connection);
            connection.commit();
            return attempt;
        }
    }

    /** pgjdbc commits a failed transaction without a word: the call is acknowledged, and nothing is there. */
    @Test
    void aFunctionThatSwallowsErrorsLosesCalls() throws SQLException {
        FaultPlan plan = FaultPlan.script().atStatement(2, "INTO orders", Fault.raise("40001"));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, plan)) {
            AuditReport report = ExactlyOnce.under(faulty, owner).calls(3).threads(1).run(call -> naively(faulty, connection -> {
                int attempt = call.attempt(connection);
                orderOrNot(connection, call);
                return attempt;
            }));
            assertEquals(1, report.lost(), report::toString);
            assertThrows(AssertionError.class, report::requireExactlyOnce);
        }
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, plan);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(faulty).build()) {
            ExactlyOnce.under(faulty, owner).calls(3).threads(1).effects("SELECT reference FROM orders")
                    .check(call -> engine.run(tx -> {
                        int attempt = call.attempt(tx.connection());
                        orderOrNot(tx.connection(), call);
                        return attempt;
                    }));
        }
    }

    /** With savepoints of the driver the rest is committed: only the function's own effects tell, whatever retries it. */
    @Test
    void withSavepointsOfTheDriverASwallowedErrorLosesTheEffect() throws SQLException {
        FaultPlan plan = FaultPlan.script().atStatement(2, "INTO orders", Fault.raise("23505"));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain("autosave=always"), plan);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(faulty).build()) {
            AssertionError caught = assertThrows(AssertionError.class, () -> ExactlyOnce.under(faulty, owner).calls(3).threads(1)
                    .effects("SELECT reference FROM orders").check(call -> engine.run(tx -> {
                        orderOrNot(tx.connection(), call);
                        return call.attempt(tx.connection());
                    })));
            assertTrue(caught.getMessage().contains("lost=1[call-"), caught::getMessage);
            assertTrue(caught.getMessage().contains("has 1 committed attempts and 0 effects of its own"), caught::getMessage);
        }
    }

    private static void orderOrNot(Connection connection, Call call) {
        try {
            order(connection, call);
        } catch (SQLException swallowed) {
            assertFalse(swallowed.getSQLState().isEmpty());
        }
    }

    /** What the first attempt has put aside is written by the second one too. */
    @Test
    void aFunctionThatKeepsItsWorkAcrossAttemptsDoublesIt() throws SQLException {
        Map<String, List<Call>> kept = new ConcurrentHashMap<>();
        AssertionError caught = assertThrows(AssertionError.class, () -> checkUnderOneConflict((tx, call) -> {
            List<Call> work = kept.computeIfAbsent(call.id(), first -> new ArrayList<>());
            work.add(call);
            for (Call each : work) {
                order(tx.connection(), each);
            }
        }));
        assertTrue(caught.getMessage().contains("doubled=1[call-"), caught::getMessage);
        assertTrue(caught.getMessage().contains("has 2 effects of its own and 1 committed attempts"), caught::getMessage);
    }

    /** What the first attempt believes to have done is not done again. */
    @Test
    void aFunctionThatRemembersItsWorkAcrossAttemptsLosesIt() throws SQLException {
        Set<String> done = ConcurrentHashMap.newKeySet();
        AssertionError caught = assertThrows(AssertionError.class, () -> checkUnderOneConflict((tx, call) -> {
            if (done.add(call.id())) {
                order(tx.connection(), call);
            }
        }));
        assertTrue(caught.getMessage().contains("lost=1[call-"), caught::getMessage);
        AuditReport sound = checkUnderOneConflict((tx, call) -> order(tx.connection(), call));
        assertEquals(3, sound.committed());
    }

    /** What is written past the transaction is there even if the attempt is not. */
    @Test
    void aFunctionThatWorksOutsideItsTransactionIsFoundOut() throws SQLException {
        AssertionError caught = assertThrows(AssertionError.class, () -> checkUnderOneConflict((tx, call) -> {
            try (Connection aside = owner.getConnection()) {
                order(aside, call);
            }
        }));
        assertTrue(caught.getMessage().contains("doubled=1[call-"), caught::getMessage);
    }

    private interface Function {
        void run(Transaction tx, Call call) throws SQLException;
    }

    private static AuditReport checkUnderOneConflict(Function function) throws SQLException {
        FaultPlan plan = FaultPlan.script().atCommit(2, "exactly_once", Fault.raise("40001"));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, plan);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(faulty).build()) {
            return ExactlyOnce.under(faulty, owner).calls(3).threads(1).effects("SELECT reference FROM orders")
                    .check(call -> engine.run(tx -> {
                        function.run(tx, call);
                        return call.attempt(tx.connection());
                    }));
        }
    }

    @Test
    void withoutFaultsNothingIsShown() throws SQLException {
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.seeded(1).atCommits(0, Fault.CUT_BEFORE))) {
            ExactlyOnce trial = ExactlyOnce.under(faulty, owner).calls(3);
            assertTrue(trial.run(call -> once(faulty, call)).isExactlyOnce());
            AssertionError empty = assertThrows(AssertionError.class, () -> trial.check(call -> once(faulty, call)));
            assertTrue(empty.getMessage().startsWith("not all faults were made, so nothing is shown"), empty::getMessage);
        }
        FaultPlan far = FaultPlan.script().atStatement(1, Fault.raise("40001")).atCommit(100, Fault.CUT_BEFORE);
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, far)) {
            AssertionError missed = assertThrows(AssertionError.class, () -> ExactlyOnce.under(faulty, owner).calls(3)
                    .check(call -> naively(faulty, call::attempt)));
            assertTrue(missed.getMessage().contains("not reached=[COMMIT 100: CUT_BEFORE]"), missed::getMessage);
        }
    }

    @Test
    void ifEveryCallFailsNothingIsShown() throws SQLException {
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.script().atStatement(1, Fault.CUT_BEFORE))) {
            IllegalStateException none = assertThrows(IllegalStateException.class, () -> ExactlyOnce.under(faulty, owner).calls(3)
                    .run(call -> {
                        throw new IllegalArgumentException("a mistake in the test");
                    }));
            assertEquals("none of 3 calls returned; the first threw: java.lang.IllegalArgumentException: a mistake in the test",
                    none.getMessage());
            assertSame(IllegalArgumentException.class, none.getCause().getClass());
        }
        AuditReport none = new AuditReport(0, 3, 0, 0, 0, 0, List.of(), List.of(), List.of(), List.of(), List.of());
        assertTrue(assertThrows(AssertionError.class, none::requireExactlyOnce).getMessage().startsWith("no call returned"));
    }

    @Test
    void callsThatDoNotEndAreNamed() throws SQLException {
        Object never = new Object();
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.script())) {
            IllegalStateException late = assertThrows(IllegalStateException.class, () -> ExactlyOnce.under(faulty, owner)
                    .calls(2).within(Duration.ofMillis(200)).run(call -> {
                        synchronized (never) {
                            never.wait();
                        }
                        return 0;
                    }));
            assertTrue(late.getMessage().startsWith("2 of 2 calls have not ended after PT0.2S"), late::getMessage);
        }
    }

    /** A transaction that is left open may yet commit. */
    @Test
    void aTransactionThatIsStillOpenIsNotQuiet() throws SQLException {
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.script()); Connection left = faulty.getConnection()) {
            left.setAutoCommit(false);
            IllegalStateException open = assertThrows(IllegalStateException.class, () -> ExactlyOnce.under(faulty, owner)
                    .calls(1).within(Duration.ofSeconds(3)).run(call -> call.attempt(left)));
            assertTrue(open.getMessage().contains("idle in transaction"), open::getMessage);
            left.rollback();
            assertEquals("1", database.ask("SELECT count(*) FROM pg_class WHERE relname LIKE 'exactly%'"), "the drop gave up");
            database.execute("DO $$BEGIN EXECUTE (SELECT 'DROP TABLE ' || relname FROM pg_class WHERE relname LIKE 'exactly%'); END$$");
        }
    }

    @Test
    void badInputIsNamedWithItsMend() {
        FaultyDataSource faulty = FaultyDataSource.wrap(owner, FaultPlan.script());
        ExactlyOnce trial = ExactlyOnce.under(faulty, owner);
        assertRefused("0 calls: say 1 or more", () -> trial.calls(0));
        assertRefused("-1 threads: say 1 or more", () -> trial.threads(-1));
        assertRefused("cannot last PT0S", () -> trial.within(Duration.ZERO));
        assertRefused("query", () -> trial.effects(null));
        assertRefused("unknown", () -> trial.unknownIf(null));
        assertRefused("faulty", () -> ExactlyOnce.under(null, owner));
        assertRefused("owner", () -> ExactlyOnce.under(faulty, null));
    }

    private static void assertRefused(String says, org.junit.jupiter.api.function.Executable action) {
        RuntimeException refused = assertThrows(RuntimeException.class, action);
        assertTrue(String.valueOf(refused.getMessage()).contains(says), refused::toString);
    }

    /** The same seed, from one thread, repeats the run to the letter. */
    @Test
    void aSeededRunRepeatsItself() throws SQLException {
        List<String> first = lines(7);
        assertFalse(first.isEmpty());
        assertEquals(first, lines(7));
        assertFalse(first.equals(lines(8)));
    }

    private static List<String> lines(long seed) throws SQLException {
        FaultPlan plan = FaultPlan.seeded(seed).atCommits(0.2, Fault.CUT_BEFORE).atCommits(0.2, Fault.LOSE_ANSWER)
                .atStatements(0.1, Fault.raise("40001"));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, plan)) {
            ExactlyOnce.under(faulty, owner).calls(15).threads(1).run(call -> naively(faulty, call::attempt));
            return faulty.done().stream().map(FaultDone::toString).toList();
        }
    }

    @Test
    void theEnginesOwnUnknownIsNotAFailure() throws SQLException {
        FaultPlan plan = FaultPlan.script().atCommit(2, "exactly_once", Fault.LOSE_ANSWER);
        try (FaultyDataSource faulty = FaultyDataSource.wrap(owner, plan);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(faulty).outcome(OutcomeMode.NONE).build()) {
            AuditReport report = ExactlyOnce.under(faulty, owner).calls(3).threads(1)
                    .check(call -> engine.run(tx -> call.attempt(tx.connection())));
            assertEquals(1, report.unknown().size(), report::toString);
            assertTrue(report.unknown().get(0).committed(), report::toString);
        }
    }
}
