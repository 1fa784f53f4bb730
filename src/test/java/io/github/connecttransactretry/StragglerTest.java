package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A second thread is inside a statement of the connection when the function returns. That statement fails later, and the
 * COMMIT that was queued behind it would be a rollback that nobody is told of.
 */
class StragglerTest {

    private static final Duration BOUND = Duration.ofSeconds(20);
    private static final String WAITING = " FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%straggler%'"
            + " AND pid <> pg_backend_pid()";

    private static TestDatabase database;

    /** What kind of call. */
    enum Kind {
        DEFAULT(TransactionOptions.defaults()),
        OUTCOME_NONE(TransactionOptions.defaults()),
        EVIDENCE_AT_BEGIN(TransactionOptions.serializable().withEvidenceAtBegin()),
        READ_ONLY(TransactionOptions.readOnly());

        private final TransactionOptions options;

        Kind(TransactionOptions options) {
            this.options = options;
        }
    }

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(what text)");
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        database.execute("TRUNCATE effect");
    }

    @ParameterizedTest
    @EnumSource
    void refusesTheCommit(Kind kind) throws SQLException {
        AtomicBoolean afterCommit = new AtomicBoolean();
        AtomicReference<Caller<Boolean>> straggler = new AtomicReference<>();
        ConnectTransactRetryBuilder builder = ConnectTransactRetry.builder(database.plain(""));
        try (Connection owner = database.server().connect();
                ConnectTransactRetry executor = (kind == Kind.OUTCOME_NONE ? builder.outcome(OutcomeMode.NONE) : builder).build()) {
            owner.createStatement().execute("SELECT pg_advisory_lock(1)");
            Caller<String> caller = Caller.start(() -> executor.run(kind.options.withTimeout(BOUND), tx -> {
                execute(tx.connection(), kind == Kind.READ_ONLY ? "SELECT 'before'" : "INSERT INTO effect VALUES ('before')");
                tx.afterCommit(() -> afterCommit.set(true));
                straggler.set(Caller.start(() -> execute(tx.connection(), "SELECT pg_advisory_xact_lock(1), 'straggler'")));
                awaitStraggler();
                return "as if all were well";
            }));
            failTheStragglerOnceTheEngineWaitsForIt(caller);
            TransactionRefusedException refused = assertInstanceOf(TransactionRefusedException.class, caller.ending().thrown());
            assertTrue(refused.getMessage().contains("another thread"), refused::getMessage);
            assertEquals("57014", assertInstanceOf(SQLException.class, straggler.get().ending().thrown()).getSQLState());
        }
        assertFalse(afterCommit.get());
        assertEquals(0, database.count("effect"));
    }

    /** The straggler would have come through; but who commits while he is on his way does not know what is committed. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void oneThatComesThroughIsNoBetterAndTheConnectionIsFitForTheNext(boolean rollbackOnly) throws SQLException {
        try (HikariDataSource pool = database.pool(1, ""); Connection owner = database.server().connect();
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
            owner.createStatement().execute("SELECT pg_advisory_lock(1)");
            Caller<String> caller = Caller.start(() -> executor.run(TransactionOptions.defaults().withTimeout(BOUND), tx -> {
                execute(tx.connection(), "INSERT INTO effect VALUES ('before')");
                Caller.start(() -> execute(tx.connection(), "INSERT INTO effect SELECT 'straggler' FROM pg_advisory_xact_lock(1)"));
                awaitStraggler();
                if (rollbackOnly) {
                    tx.rollbackOnly();
                }
                return "as if all were well";
            }));
            awaitEngineBehindStraggler(caller);
            owner.createStatement().execute("SELECT pg_advisory_unlock(1)");
            assertInstanceOf(TransactionRefusedException.class, caller.ending().thrown());
            assertEquals(0, database.count("effect"));
            assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
            executor.execute(tx -> execute(tx.connection(), "INSERT INTO effect VALUES ('next')"));
        }
        assertEquals("next", database.ask("SELECT string_agg(what, ',') FROM effect"));
    }

    /** BEGIN goes with the first statement, and until both are answered the driver calls the session idle. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void oneWhoseFirstStatementHasNoAnswerYetTakesTheConnectionWithHim(boolean thrown) throws SQLException {
        RuntimeException own = new IllegalArgumentException("the function's own");
        AtomicReference<Caller<Boolean>> straggler = new AtomicReference<>();
        try (WireProxy proxy = WireProxy.to(database.server().port()); HikariDataSource pool = pool(proxy);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
            proxy.script(WireScript.once(request -> request.mentions("straggler"), WireAction.BLACK_HOLE_AFTER));
            Caller<Void> caller = Caller.start(() -> executor.run(tx -> {
                straggler.set(Caller.start(() -> execute(tx.connection(), "INSERT INTO effect VALUES ('straggler')")));
                Await.until("the straggler's statement at the server", BOUND, () -> database.ask("SELECT count(*) FROM"
                        + " pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%straggler%'").equals("1"));
                if (thrown) {
                    throw own;
                }
                return null;
            }));
            RuntimeException refused = assertInstanceOf(RuntimeException.class, caller.ending().thrown());
            assertEquals(thrown, refused == own, refused::toString);
            assertInstanceOf(SQLException.class, straggler.get().ending().thrown());
            executor.execute(tx -> execute(tx.connection(), "INSERT INTO effect VALUES ('next')"));
        }
        assertEquals("next", database.ask("SELECT string_agg(what, ',') FROM effect"));
    }

    private static HikariDataSource pool(WireProxy proxy) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(database.server().jdbcUrl(proxy.port()));
        config.setUsername(PostgresServer.SUPERUSER);
        config.setMaximumPoolSize(1);
        return new HikariDataSource(config);
    }

    private static void failTheStragglerOnceTheEngineWaitsForIt(Caller<?> caller) throws SQLException {
        awaitEngineBehindStraggler(caller);
        database.execute("SELECT pg_cancel_backend(pid)" + WAITING);
    }

    /** Be it in COMMIT, in the evidence or in the rollback: the driver lets one thread at a time onto the socket. */
    private static void awaitEngineBehindStraggler(Caller<?> caller) {
        Await.until("the engine to wait for the straggler", BOUND, () -> caller.thread().getState() == Thread.State.WAITING
                && Arrays.stream(caller.thread().getStackTrace()).anyMatch(f -> f.getClassName().startsWith("org.postgresql.")));
    }

    private static void awaitStraggler() {
        Await.until("the straggler to be in his statement", BOUND, () -> database.ask("SELECT count(*)" + WAITING).equals("1"));
    }

    private static boolean execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.execute(sql);
        }
    }
}
