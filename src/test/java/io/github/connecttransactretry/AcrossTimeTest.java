package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.fixtures.OneConnection;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.observe.TransactionEvent.RetryScheduled;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A call across its time, on a clock that only the test moves. */
class AcrossTimeTest {

    private static final Duration CONFLICT = Duration.ofMillis(7);
    private static final Duration OUTAGE = Duration.ofMillis(70);
    private static final Duration OVERLOAD = Duration.ofMillis(700);
    private static final RetryPolicy POLICY = RetryPolicy.defaults().withConflictBackoff(Backoff.fixed(CONFLICT))
            .withOutageBackoff(Backoff.fixed(OUTAGE)).withOverloadBackoff(Backoff.fixed(OVERLOAD));

    private static PostgresServer server;
    private final ManualTime time = new ManualTime();
    private final RecordedEvents events = new RecordedEvents();
    private final AtomicInteger bodies = new AtomicInteger();
    private WireProxy proxy;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect()) {
            connection.createStatement().execute("CREATE TABLE written (n int)");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @BeforeEach
    void open() {
        proxy = WireProxy.to(server.port());
    }

    @AfterEach
    void closeProxy() {
        proxy.close();
    }

    private ConnectTransactRetry engine(RetryPolicy policy) {
        return ConnectTransactRetry.builder(Pools.plain(server, proxy.port())).timeSource(time).retryPolicy(policy)
                .listener(events).build();
    }

    private static TransactionOptions within(Duration timeout) {
        return TransactionOptions.defaults().withTimeout(timeout);
    }

    @Test
    void aSleepThatWouldOutliveTheDeadlineIsNotBegun() {
        try (ConnectTransactRetry engine = engine(POLICY.withConflictBackoff(Backoff.fixed(Duration.ofSeconds(3))))) {
            DeadlineExceededException thrown = assertThrows(DeadlineExceededException.class,
                    () -> engine.execute(within(Duration.ofSeconds(10)), this::conflict));
            assertEquals("40001", assertInstanceOf(SQLException.class, thrown.getCause()).getSQLState());
            assertEquals(4, thrown.failures().size());
        }
        assertEquals(List.of(Duration.ofSeconds(3), Duration.ofSeconds(3), Duration.ofSeconds(3)), time.sleeps());
        assertEquals(4, bodies.get());
    }

    @Test
    void aSleepThatEndsAtTheVeryDeadlineIsNotBegunEither() {
        try (ConnectTransactRetry engine = engine(POLICY.withConflictBackoff(Backoff.fixed(Duration.ofSeconds(5))))) {
            assertThrows(DeadlineExceededException.class, () -> engine.execute(within(Duration.ofSeconds(10)), this::conflict));
        }
        assertEquals(List.of(Duration.ofSeconds(5)), time.sleeps());
    }

    @Test
    void anAbsoluteDeadlineBindsLikeATimeout() {
        try (ConnectTransactRetry engine = engine(POLICY.withConflictBackoff(Backoff.fixed(Duration.ofSeconds(3))))) {
            assertThrows(DeadlineExceededException.class, () -> engine.execute(
                    TransactionOptions.defaults().withDeadline(time.now().plusSeconds(10)), this::conflict));
            assertEquals(3, time.sleeps().size());
            assertThrows(DeadlineExceededException.class, () -> engine.execute(
                    TransactionOptions.defaults().withDeadline(time.now()), this::conflict));
            assertEquals(4, bodies.get(), "a deadline that has come leaves no time for a connection even");
        }
    }

    /** The function has used up the time without the connection noticing. */
    @Test
    void aCommitIsNeverBegunAfterTheDeadline() throws SQLException {
        Duration timeout = Duration.ofSeconds(10);
        try (ConnectTransactRetry engine = engine(POLICY)) {
            DeadlineExceededException thrown = assertThrows(DeadlineExceededException.class,
                    () -> engine.execute(within(timeout), tx -> insertAndTake(tx, timeout)));
            assertTrue(thrown.failures().get(0).phase().compareTo(Phase.COMMIT) < 0);
            assertEquals(0, proxy.recentRequests().stream().filter(WireRequest::isCommit).count());
            engine.execute(within(timeout), tx -> insertAndTake(tx, timeout.minusSeconds(2)));
            assertEquals(1, proxy.recentRequests().stream().filter(WireRequest::isCommit).count());
        }
    }

    private void insertAndTake(Transaction tx, Duration whole) throws SQLException {
        tx.connection().createStatement().execute("INSERT INTO written VALUES (1)");
        time.advance(whole);
    }

    /** The evidence's answer came after the deadline. */
    @Test
    void aCommitIsNotBegunEitherIfTheEvidenceTookTheTime() {
        proxy.script(request -> {
            if (request.mentions("pg_current_xact_id()::text")) {
                time.advance(Duration.ofSeconds(11));
            }
            return WireAction.PASS;
        });
        try (ConnectTransactRetry engine = engine(POLICY)) {
            DeadlineExceededException thrown = assertThrows(DeadlineExceededException.class, () -> engine.execute(
                    within(Duration.ofSeconds(10)),
                    tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (2)")));
            assertEquals(Phase.EVIDENCE, thrown.failures().get(0).phase());
        }
        assertTrue(proxy.recentRequests().stream().noneMatch(WireRequest::isCommit));
    }

    /** Looked at while COMMIT is on the wire: the rest is kept for finding out. */
    @ParameterizedTest
    @CsvSource({"0, 5000", "4, 3000", "9, 500"})
    void aCommitMayUseHalfOfWhatRemains(long secondsGone, int halfMillis) throws SQLException {
        try (Connection plain = server.connect(proxy.port())) {
            AtomicInteger inBody = new AtomicInteger();
            AtomicInteger inCommit = new AtomicInteger();
            proxy.script(request -> {
                if (request.isCommit()) {
                    inCommit.set(networkTimeout(plain));
                }
                return WireAction.PASS;
            });
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(new OneConnection(plain)).timeSource(time).build()) {
                engine.execute(within(Duration.ofSeconds(10)), tx -> {
                    tx.connection().createStatement().execute("INSERT INTO written VALUES (3)");
                    inBody.set(networkTimeout(plain));
                    time.advance(Duration.ofSeconds(secondsGone));
                });
            }
            assertEquals(10_000, inBody.get());
            assertEquals(halfMillis, inCommit.get());
            assertEquals(0, plain.getNetworkTimeout());
        }
    }

    @Test
    void eachPaceHasItsCurve() throws SQLException {
        List<SQLException> troubles = List.of(new SQLException("conflict", "40001"), new SQLException("outage", "57P01"),
                new SQLException("overload", "53300"), new SQLException("deadlock", "40P01"), new SQLException("lost", "08006"));
        try (ConnectTransactRetry engine = engine(POLICY)) {
            engine.execute(within(Duration.ofSeconds(10)), tx -> {
                if (tx.attempt() <= troubles.size()) {
                    throw troubles.get(tx.attempt() - 1);
                }
            });
        }
        assertEquals(List.of(CONFLICT, OUTAGE, OVERLOAD, CONFLICT, OUTAGE), time.sleeps());
        assertEquals(time.sleeps(), events.of(RetryScheduled.class).stream().map(e -> e.failure().delay()).toList());
    }

    /** Each curve counts its own repetitions. */
    @Test
    void theDefaultCurvesGrowFromAttemptToAttempt() throws SQLException {
        RetryPolicy policy = RetryPolicy.defaults()
                .withConflictBackoff(Backoff.exponential(Duration.ofMillis(2), Duration.ofMillis(10)))
                .withOutageBackoff(Backoff.exponential(Duration.ofMillis(50), Duration.ofSeconds(1)));
        try (ConnectTransactRetry engine = engine(policy)) {
            engine.execute(within(Duration.ofSeconds(10)), tx -> {
                if (tx.attempt() <= 8) {
                    throw new SQLException("trouble", tx.attempt() % 2 == 1 ? "40001" : "57P01");
                }
            });
        }
        assertEquals(Stream.of(2, 50, 4, 100, 8, 200, 10, 400).map(Duration::ofMillis).toList(), time.sleeps());
    }

    @ParameterizedTest
    @CsvSource({"1", "3"})
    void attemptsAreLimitedWhereANumberIsSet(int most) {
        try (ConnectTransactRetry engine = engine(POLICY.withMaxAttempts(most))) {
            RetriesExhaustedException thrown = assertThrows(RetriesExhaustedException.class,
                    () -> engine.execute(within(Duration.ofSeconds(10)), this::conflict));
            assertEquals(most, thrown.failures().size());
            assertEquals("40001", assertInstanceOf(SQLException.class, thrown.getCause()).getSQLState());
        }
        assertEquals(most, bodies.get());
        assertEquals(most - 1, time.sleeps().size());
    }

    @Test
    void withoutANumberTheDeadlineAloneLimitsThem() {
        try (ConnectTransactRetry engine = engine(POLICY.withConflictBackoff(Backoff.fixed(Duration.ofSeconds(1))))) {
            DeadlineExceededException thrown = assertThrows(DeadlineExceededException.class,
                    () -> engine.execute(within(Duration.ofSeconds(10)), this::conflict));
            assertEquals(10, thrown.failures().size());
        }
    }

    private void conflict(Transaction tx) throws SQLException {
        bodies.incrementAndGet();
        throw new SQLException("a conflict", "40001");
    }

    private static int networkTimeout(Connection connection) {
        try {
            return connection.getNetworkTimeout();
        } catch (SQLException closed) {
            throw new IllegalStateException(closed);
        }
    }
}
