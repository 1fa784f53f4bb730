package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfigMXBean;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.util.Credentials;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What must not keep a question about a commit in doubt from being asked. */
class RoadBesidePoolTest {

    private static final Duration BOUND = Duration.ofSeconds(20);
    private static final int IMPATIENT = 80;

    private static PostgresServer server;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect()) {
            execute(connection, "CREATE TABLE written (n int)");
            execute(connection, "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
                    + " 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END'");
            execute(connection, "CREATE TABLE slow (n int)");
            execute(connection, "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED"
                    + " FOR EACH ROW EXECUTE FUNCTION wait()");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    /**
     * More than may hang in the driver wait in the pool, on behalf of callers that have long gone. The pool stays exhausted
     * while the question is being asked, since no new connection comes through the proxy.
     */
    @Test
    void callersThatGaveUpWaitingForThePoolDoNotKeepTheQuestionFromBeingAsked() throws Exception {
        CountDownLatch inside = new CountDownLatch(2);
        CountDownLatch firstMayReturn = new CountDownLatch(1);
        CountDownLatch secondMayReturn = new CountDownLatch(1);
        try (WireProxy proxy = WireProxy.to(server.port()); HikariDataSource pool = Pools.hikari(server, proxy.port(), 2);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool)
                        .resolverDataSource(Pools.simple(server, server.port())).build()) {
            Caller<Integer> first = Caller.start(() -> holding(engine, inside, firstMayReturn));
            Caller<Integer> second = Caller.start(() -> holding(engine, inside, secondMayReturn));
            inside.await();
            impatientCallersComeAndGo(engine);
            proxy.script(request -> {
                proxy.silentOnConnect(request.isCommit());
                return request.isCommit() ? WireAction.CUT_AFTER : WireAction.PASS;
            });
            firstMayReturn.countDown();
            assertEquals(1, first.ending().returned(), "in doubt, and resolved");
            assertTrue(pool.getHikariPoolMXBean().getThreadsAwaitingConnection() >= IMPATIENT, "the pool was to stay exhausted");
            proxy.script(WireScript.pass());
            // Else the pool waits in close() for a login that hangs.
            proxy.silentOnConnect(false);
            proxy.cutAll();
            secondMayReturn.countDown();
            second.ending();
        }
    }

    /** What waits in a pool hangs in nothing: the pool lets it go. */
    @Test
    void callersThatGaveUpWaitingForThePoolDoNotKeepOthersFromWaiting() throws Exception {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch mayReturn = new CountDownLatch(1);
        try (HikariDataSource pool = Pools.hikari(server, server.port(), 1);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build()) {
            Caller<Integer> holder = Caller.start(() -> holding(engine, inside, mayReturn));
            inside.await();
            impatientCallersComeAndGo(engine);
            Caller<Integer> patient = Caller.start(() -> insert(engine, "written"));
            Await.until("one more to wait in the pool", BOUND,
                    () -> pool.getHikariPoolMXBean().getThreadsAwaitingConnection() > IMPATIENT);
            mayReturn.countDown();
            assertEquals(1, patient.ending().returned(), "had a connection at the first attempt");
            holder.ending();
        }
    }

    private static void impatientCallersComeAndGo(ConnectTransactRetry engine) {
        TransactionOptions impatient = TransactionOptions.defaults().withTimeout(Duration.ofMillis(200));
        List<Caller<Integer>> callers = new ArrayList<>();
        for (int i = 0; i < IMPATIENT; i++) {
            callers.add(Caller.start(() -> engine.run(impatient, Transaction::attempt)));
        }
        callers.forEach(caller -> assertInstanceOf(DeadlineExceededException.class, caller.ending().thrown()));
    }

    private static int holding(ConnectTransactRetry engine, CountDownLatch inside, CountDownLatch mayReturn) throws Exception {
        return engine.run(TransactionOptions.defaults().withTimeout(BOUND), tx -> {
            execute(tx.connection(), "INSERT INTO written VALUES (1)");
            inside.countDown();
            mayReturn.await();
            return tx.attempt();
        });
    }

    /** The deadline is far away; half of it would be ten seconds. */
    @Test
    void aServerThatIsSilentToTheFirstQuestionIsAskedAgainSoon() throws SQLException {
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(server, proxy.port())).build()) {
            proxy.script(WireScript.once(request -> {
                proxy.silentOnConnect(request.isCommit());
                return request.isCommit();
            }, WireAction.CUT_AFTER));
            Caller<Integer> caller = Caller.start(() -> insert(engine, "written"));
            Await.until("the question's first connect", BOUND, () -> proxy.sessions() == 2);
            proxy.silentOnConnect(false);
            assertEquals(1, caller.ending().returned());
            assertTrue(caller.ending().took().compareTo(BOUND.dividedBy(3)) < 0, () -> "took " + caller.ending().took());
            proxy.cutAll();
        }
    }

    /** The question itself falls into a black hole: half of what remains is kept for asking on another connection. */
    @Test
    void aQuestionThatFallsSilentIsPutAgainInTime() throws SQLException {
        AtomicInteger questions = new AtomicInteger();
        AtomicInteger commits = new AtomicInteger();
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(server, proxy.port()))
                        .defaults(TransactionOptions.defaults().withTimeout(Duration.ofSeconds(4))).build()) {
            proxy.script(request -> {
                boolean firstQuestion = request.mentions("pg_xact_status") && questions.incrementAndGet() == 1;
                boolean firstCommit = request.isCommit() && commits.incrementAndGet() == 1;
                return firstQuestion ? WireAction.BLACK_HOLE_BEFORE : firstCommit ? WireAction.CUT_AFTER : WireAction.PASS;
            });
            assertEquals(1, insert(engine, "written"));
            assertEquals(2, questions.get());
            proxy.cutAll();
        }
    }

    /** The ways in which a HikariCP learns of a new password, and what it opens connections with. */
    enum Rotation {
        PASSWORD(HikariConfigMXBean::setPassword, false),
        CREDENTIALS((pool, password) -> pool.setCredentials(Credentials.of("rotating", password)), false),
        PASSWORD_OF_DATA_SOURCE(HikariConfigMXBean::setPassword, true);

        private final BiConsumer<HikariConfigMXBean, String> tell;
        private final boolean overDataSource;

        Rotation(BiConsumer<HikariConfigMXBean, String> tell, boolean overDataSource) {
            this.tell = tell;
            this.overDataSource = overDataSource;
        }
    }

    @ParameterizedTest
    @EnumSource
    void theQuestionLogsInWithThePasswordOfToday(Rotation rotation) throws SQLException {
        server.requirePassword("rotating", "of yesterday");
        try (Connection connection = server.connect()) {
            execute(connection, "GRANT INSERT ON written TO rotating");
        }
        try (WireProxy proxy = WireProxy.to(server.port());
                HikariDataSource pool = Pools.hikari(server, proxy.port(), 1, config -> {
                    config.setCredentials(Credentials.of("rotating", "of yesterday"));
                    if (rotation.overDataSource) {
                        config.setDataSource(Pools.simple(server, proxy.port()));
                    }
                });
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build()) {
            assertEquals(1, insert(engine, "written"));
            server.requirePassword("rotating", "of today");
            rotation.tell.accept(pool.getHikariConfigMXBean(), "of today");
            proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            assertEquals(1, insert(engine, "written"));
        }
    }

    /** Two at once may ask; two wait for backends that are busy with their COMMIT, and more come after them. */
    @Test
    void aQuestionThatHasToWaitLetsOthersPass() throws SQLException {
        RecordedEvents events = new RecordedEvents();
        Set<Integer> writers = ConcurrentHashMap.newKeySet();
        try (WireProxy proxy = WireProxy.to(server.port()); Connection owner = server.connect();
                ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(server, proxy.port())).listener(events)
                        .build()) {
            execute(owner, "SELECT pg_advisory_lock(7)");
            proxy.script(request -> {
                if (request.mentions("INTO written")) {
                    writers.add(request.session());
                }
                return request.isCommit() && writers.contains(request.session()) ? WireAction.CUT_AFTER : WireAction.PASS;
            });
            List<Caller<Integer>> waiting = callers(2, engine, "slow");
            Await.until("two COMMITs to wait for the lock", BOUND, () -> lockWaits() == 2);
            proxy.cutAll();
            Await.until("two questions to wait for them", BOUND, () -> events.of(Fenced.class).stream()
                    .filter(fenced -> fenced.result() == BackendFence.Result.COMMITTING).map(Fenced::backend).distinct().count() == 2);
            for (Caller<Integer> passing : callers(7, engine, "written")) {
                assertEquals(1, passing.ending().returned());
            }
            assertEquals(7, events.of(OutcomeResolved.class).size(), "those two were to wait still");
            execute(owner, "SELECT pg_advisory_unlock(7)");
            for (Caller<Integer> caller : waiting) {
                assertEquals(1, caller.ending().returned());
            }
        }
    }

    private static List<Caller<Integer>> callers(int number, ConnectTransactRetry engine, String table) {
        List<Caller<Integer>> callers = new ArrayList<>();
        for (int i = 0; i < number; i++) {
            callers.add(Caller.start(() -> insert(engine, table)));
        }
        return callers;
    }

    private static int insert(ConnectTransactRetry engine, String table) throws SQLException {
        return engine.run(TransactionOptions.defaults().withTimeout(BOUND), tx -> {
            execute(tx.connection(), "INSERT INTO " + table + " VALUES (1)");
            return tx.attempt();
        });
    }

    private static int lockWaits() throws SQLException {
        try (Connection connection = server.connect(); ResultSet row = connection.createStatement().executeQuery(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) {
            row.next();
            return row.getInt(1);
        }
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
