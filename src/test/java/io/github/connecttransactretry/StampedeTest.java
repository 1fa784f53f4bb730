package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.observe.TransactionEvent.CircuitChanged;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.CircuitBreaker.State;
import io.github.connecttransactretry.pacing.RetryBudget;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Breaker and budget on a real server that goes away and comes back. */
class StampedeTest {

    private static final int CALLERS = 64;
    private static final Duration BOUND = Duration.ofSeconds(20);
    private static final TransactionOptions LONG = TransactionOptions.defaults().withTimeout(BOUND);

    private static PostgresServer server;

    @BeforeAll
    static void launch() {
        server = PostgresServer.launch();
    }

    @AfterAll
    static void close() {
        server.close();
    }

    private static CircuitBreaker breaker(int outages, boolean waits) {
        return CircuitBreaker.of(new CircuitBreaker.Settings(outages, Backoff.fixed(Duration.ofMillis(30)), waits,
                Duration.ofMillis(40), Duration.ofSeconds(3)));
    }

    /** Its own connection for each attempt, through an address that can refuse. */
    private static ConnectTransactRetryBuilder engine(WireProxy proxy, Chronicle chronicle) {
        return ConnectTransactRetry.builder(Pools.plain(server, proxy.port())).listener(chronicle);
    }

    /** By a breaker that rejects: the call ends as soon as it is open. */
    private static void trip(ConnectTransactRetry executor, CircuitBreaker breaker) {
        assertThrows(CircuitOpenException.class, () -> executor.execute(LONG, tx -> { }));
        assertEquals(State.OPEN, breaker.state());
    }

    @Test
    void whoWaitsBehindAnOpenBreakerIsServedOnceTheServerIsBack() {
        Chronicle chronicle = new Chronicle();
        CircuitBreaker breaker = breaker(2, true);
        server.stop();
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry executor = engine(proxy, chronicle).circuitBreaker(breaker).build()) {
            AtomicInteger served = new AtomicInteger();
            ConcurrentSkipListSet<Long> arrivals = new ConcurrentSkipListSet<>();
            CountDownLatch over = new CountDownLatch(CALLERS);
            for (int caller = 0; caller < CALLERS; caller++) {
                Thread thread = new Thread(() -> {
                    try {
                        executor.execute(LONG, tx -> {
                            arrivals.add(System.nanoTime());
                            tx.connection().createStatement().execute("SELECT 1");
                        });
                        served.incrementAndGet();
                    } catch (SQLException | RuntimeException failed) {
                        failed.printStackTrace();
                    } finally {
                        over.countDown();
                    }
                });
                thread.setDaemon(true);
                thread.start();
            }
            Await.until("ten probes, and all but the prober to wait", BOUND,
                    () -> breaker.counts().probes() >= 10 && breaker.counts().waiting() >= CALLERS - 1);
            long connectsWhileAway = proxy.sessions();
            long probesWhileAway = breaker.counts().probes();
            server.start();
            Await.until("all callers to end", BOUND, () -> over.getCount() == 0);
            long spreadMillis = (arrivals.last() - arrivals.first()) / 1_000_000;
            System.out.println("stampede: " + CALLERS + " callers; while away " + connectsWhileAway + " connects, " + probesWhileAway
                    + " of them probes; then " + served + " served, arrivals spread over " + spreadMillis + " ms; " + breaker.counts());
            assertEquals(CALLERS, served.get());
            assertTrue(connectsWhileAway <= probesWhileAway + CALLERS + 2, "only probes connect once it is open");
            assertEquals(State.CLOSED, breaker.state());
            assertTrue(chronicle.all(CircuitChanged.class).stream().anyMatch(change -> change.to() == State.CLOSED));
            assertTrue(spreadMillis >= 10, "all at once after " + spreadMillis + " ms");
        } finally {
            if (!server.isRunning()) {
                server.start();
            }
        }
    }

    @Test
    void whoIsNotToWaitIsRejectedAtOnce() throws SQLException {
        Chronicle chronicle = new Chronicle();
        CircuitBreaker breaker = CircuitBreaker.of(new CircuitBreaker.Settings(2, Backoff.fixed(Duration.ofMinutes(5)), false,
                Duration.ZERO, Duration.ofSeconds(3)));
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry executor = engine(proxy, chronicle).circuitBreaker(breaker).build()) {
            proxy.refuse(true);
            trip(executor, breaker);
            long before = proxy.sessions();
            CircuitOpenException open = assertThrows(CircuitOpenException.class, () -> executor.execute(tx -> { }));
            assertTrue(open.getMessage().startsWith("the circuit breaker is open"), open::getMessage);
            assertEquals(1, open.failures().size());
            assertEquals(before, proxy.sessions());
        }
    }

    /** What a COMMIT in doubt came to is found out all the same, and its call goes on to its end. */
    @Test
    void questionsAboutACommitGoPastBreakerAndBudget() throws SQLException {
        CircuitBreaker breaker = CircuitBreaker.of(new CircuitBreaker.Settings(1, Backoff.fixed(Duration.ofMinutes(5)), false,
                Duration.ZERO, Duration.ofSeconds(3)));
        RetryBudget budget = RetryBudget.of(1, 1e-6);
        Chronicle chronicle = new Chronicle();
        try (WireProxy proxy = WireProxy.to(server.port()); WireProxy other = WireProxy.to(server.port());
                ConnectTransactRetry tripped = engine(other, new Chronicle()).circuitBreaker(breaker).build();
                ConnectTransactRetry executor = engine(proxy, chronicle).circuitBreaker(breaker).retryBudget(budget).build()) {
            proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            other.refuse(true);
            String value = executor.run(tx -> {
                tx.connection().createStatement().execute("CREATE TABLE IF NOT EXISTS passed (one int)");
                tx.connection().createStatement().execute("INSERT INTO passed VALUES (1)");
                trip(tripped, breaker);
                return "value";
            });
            assertEquals("value", value);
            assertEquals(State.OPEN, breaker.state());
            assertEquals(0, budget.counts().taken());
        }
    }

    @Test
    void aPoolThatIsMerelySaturatedOpensNothing() {
        CircuitBreaker breaker = breaker(1, false);
        try (var pool = Pools.hikari(server, server.port(), 1, config -> config.setConnectionTimeout(250));
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).circuitBreaker(breaker).build();
                var held = hold(pool)) {
            assertTrue(held != null);
            assertThrows(DeadlineExceededException.class, () -> executor.execute(
                    TransactionOptions.defaults().withTimeout(Duration.ofSeconds(1)), tx -> { }));
            assertEquals(State.CLOSED, breaker.state());
            assertEquals(0, breaker.counts().opened());
        } catch (SQLException failed) {
            throw new AssertionError(failed);
        }
    }

    /** A pool serves without connecting: what failed before and after is not in a row. */
    @Test
    void aCommitInBetweenIsAnOutageLess() throws SQLException {
        CircuitBreaker breaker = breaker(2, false);
        try (WireProxy refusing = WireProxy.to(server.port());
                var pool = Pools.hikari(server, server.port(), 1);
                ConnectTransactRetry away = engine(refusing, new Chronicle()).circuitBreaker(breaker)
                        .retryPolicy(RetryPolicy.defaults().withMaxAttempts(1)).build();
                ConnectTransactRetry serving = ConnectTransactRetry.builder(pool).circuitBreaker(breaker).build()) {
            refusing.refuse(true);
            for (int round = 0; round < 3; round++) {
                assertThrows(RetriesExhaustedException.class, () -> away.execute(LONG, tx -> { }));
                assertEquals(State.CLOSED, breaker.state(), "round " + round);
                serving.execute(LONG, tx -> tx.connection().createStatement().execute("SELECT 1"));
            }
            assertThrows(RetriesExhaustedException.class, () -> away.execute(LONG, tx -> { }));
            assertThrows(RetriesExhaustedException.class, () -> away.execute(LONG, tx -> { }));
            assertEquals(State.OPEN, breaker.state());
        }
    }

    /** One that accepts and says nothing more is away too, unless the call was only in a hurry. */
    @Test
    void aServerThatIsSilentOpensIt() {
        CircuitBreaker breaker = CircuitBreaker.of(new CircuitBreaker.Settings(1, Backoff.fixed(Duration.ofMinutes(5)), false,
                Duration.ZERO, Duration.ofSeconds(2)));
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry executor = engine(proxy, new Chronicle()).circuitBreaker(breaker).build()) {
            proxy.silentOnConnect(true);
            TransactionOptions hurried = TransactionOptions.defaults().withTimeout(Duration.ofMillis(50));
            assertThrows(DeadlineExceededException.class, () -> executor.execute(hurried, tx -> { }));
            assertEquals(State.CLOSED, breaker.state());
            TransactionOptions patient = TransactionOptions.defaults().withTimeout(Duration.ofMillis(2500));
            assertThrows(DeadlineExceededException.class, () -> executor.execute(patient, tx -> { }));
            assertEquals(State.OPEN, breaker.state());
        }
    }

    /** HikariCP's own timeout is longer than the call's: it does not get to say that there is no server. */
    @Test
    void aPoolWithoutASingleConnectionOpensItAndAFullOneDoesNot() throws SQLException {
        CircuitBreaker breaker = CircuitBreaker.of(new CircuitBreaker.Settings(1, Backoff.fixed(Duration.ofMinutes(5)), false,
                Duration.ZERO, Duration.ofMillis(200)));
        TransactionOptions patient = TransactionOptions.defaults().withTimeout(Duration.ofMillis(500));
        try (WireProxy proxy = WireProxy.to(server.port());
                var pool = Pools.hikari(server, proxy.port(), 1);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).circuitBreaker(breaker).build()) {
            try (Connection held = hold(pool)) {
                assertThrows(DeadlineExceededException.class, () -> executor.execute(patient, tx -> { }));
                assertEquals(State.CLOSED, breaker.state());
                proxy.refuse(true);
                proxy.cutAll();
                pool.evictConnection(held);
            }
            Await.until("the pool to be empty", BOUND, () -> pool.getHikariPoolMXBean().getTotalConnections() == 0);
            assertThrows(DeadlineExceededException.class, () -> executor.execute(patient, tx -> { }));
            assertEquals(State.OPEN, breaker.state());
        }
    }

    /** Those in front of the door wait for other callers. */
    @Test
    void aDoorThatIsMerelyCrowdedOpensNothing() throws Exception {
        CircuitBreaker breaker = CircuitBreaker.of(new CircuitBreaker.Settings(1, Backoff.fixed(Duration.ofMinutes(5)), false,
                Duration.ZERO, Duration.ofMillis(100)));
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch over = new CountDownLatch(1);
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(Pools.plain(server, server.port())).mostInPool(1)
                .circuitBreaker(breaker).build()) {
            Thread holder = new Thread(() -> executor.execute(LONG, tx -> {
                inside.countDown();
                Await.until("the other's end", BOUND, () -> over.getCount() == 0);
            }));
            holder.start();
            assertTrue(inside.await(BOUND.toSeconds(), TimeUnit.SECONDS));
            assertThrows(DeadlineExceededException.class, () -> executor.execute(
                    TransactionOptions.defaults().withTimeout(Duration.ofMillis(400)), tx -> { }));
            over.countDown();
            holder.join();
            assertEquals(State.CLOSED, breaker.state());
        }
    }

    /** Whoever gives up at once on a server that is away has not reached it. */
    @Test
    void aClassifierOfOnesOwnDoesNotHideAnOutage() {
        CircuitBreaker breaker = breaker(1, false);
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry executor = engine(proxy, new Chronicle()).circuitBreaker(breaker)
                        .classifier(failure -> Optional.of(Verdict.PERMANENT)).build()) {
            proxy.refuse(true);
            assertThrows(TransactionFailedException.class, () -> executor.execute(LONG, tx -> { }));
            assertEquals(State.OPEN, breaker.state());
        }
    }

    private static Connection hold(DataSource pool) throws SQLException {
        return pool.getConnection();
    }

    @Test
    void aBudgetThatIsSpentEndsCallsThatWouldRetry() {
        RetryBudget budget = RetryBudget.of(3, 1e-6);
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry executor = engine(proxy, new Chronicle()).retryBudget(budget).build()) {
            proxy.refuse(true);
            RetriesExhaustedException spent = assertThrows(RetriesExhaustedException.class, () -> executor.execute(LONG, tx -> { }));
            assertTrue(spent.getMessage().startsWith("the engine's retry budget is spent (3 retries at once"), spent::getMessage);
            assertEquals(4, spent.failures().size(), "the first attempt and three more");
            RetriesExhaustedException next = assertThrows(RetriesExhaustedException.class, () -> executor.execute(LONG, tx -> { }));
            assertEquals(1, next.failures().size());
            assertInstanceOf(SQLException.class, next.getCause());
            proxy.refuse(false);
            executor.execute(LONG, tx -> { });
            assertEquals(List.of(3L, 2L), List.of(budget.counts().taken(), budget.counts().refused()));
        }
    }
}
