package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.ground.ConnectionSource;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** A connection that comes when nobody waits for it any more, and an engine that is closed. */
class LateConnectionTest {

    private static final TransactionOptions HURRIED = TransactionOptions.defaults().withTimeout(Duration.ofMillis(300));

    private static PostgresServer server;

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

    @Test
    void isClosed() {
        Leaks leaks = Leaks.watch(server);
        CountDownLatch release = new CountDownLatch(1);
        Queue<Connection> opened = new ConcurrentLinkedQueue<>();
        ConnectionSource plain = Pools.plain(server, server.port());
        ConnectTransactRetry engine = ConnectTransactRetry.builder((ConnectionSource) () -> {
            await(release);
            Connection connection = plain.open();
            opened.add(connection);
            return connection;
        }).build();
        for (int i = 0; i < 5; i++) {
            assertThrows(DeadlineExceededException.class, () -> engine.execute(HURRIED, tx -> { }));
        }
        release.countDown();
        leaks.assertNoneBusy();
        assertEquals(5, opened.size());
        assertTrue(opened.stream().allMatch(LateConnectionTest::isClosed));
        leaks.assertNone(engine, null);
    }

    @Test
    void goesBackToItsPool() throws SQLException {
        Leaks leaks = Leaks.watch(server);
        try (HikariDataSource pool = Pools.hikari(server, server.port(), 1)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            Connection taken = pool.getConnection();
            assertThrows(DeadlineExceededException.class, () -> engine.execute(HURRIED, tx -> { }));
            taken.close();
            // The engine's thread gets it, and gives it back.
            engine.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (1)"));
            leaks.assertNone(engine, pool);
        }
    }

    /** A source that fails in another way than by SQLException must not be lost either. */
    @Test
    void aSourceThatGivesNullOrThrowsAnErrorIsReported() {
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder((ConnectionSource) () -> null).build();
                ConnectTransactRetry broken = ConnectTransactRetry.builder((ConnectionSource) () -> {
                    throw new StackOverflowError("of the source");
                }).build()) {
            TransactionFailedException thrown = assertThrows(TransactionFailedException.class, () -> engine.execute(tx -> { }));
            assertTrue(thrown.getMessage().contains("returned null"), thrown::getMessage);
            assertEquals("of the source",
                    assertThrows(StackOverflowError.class, () -> broken.execute(tx -> { })).getMessage());
        }
    }

    /** 64 threads may hang in the driver; then it is said what to do, rather than more of them made. */
    @Test
    void tooManyThatHangAreNamed() {
        Leaks leaks = Leaks.watch(server);
        CountDownLatch release = new CountDownLatch(1);
        ConnectTransactRetry engine = ConnectTransactRetry.builder((ConnectionSource) () -> {
            await(release);
            throw new SQLException("late, and in vain", "08001");
        }).build();
        List<Caller<Object>> callers = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            callers.add(Caller.start(() -> {
                engine.execute(HURRIED, tx -> { });
                return null;
            }));
        }
        callers.forEach(caller -> assertInstanceOf(DeadlineExceededException.class, caller.ending().thrown()));
        DeadlineExceededException refused = assertThrows(DeadlineExceededException.class, () -> engine.execute(HURRIED, tx -> { }));
        assertTrue(refused.getMessage().contains("loginTimeout"), refused::getMessage);
        release.countDown();
        leaks.assertNone(engine, null);
    }

    @Test
    void afterCloseCallsUnderWayFinishAndOthersAreRefused() throws SQLException {
        Leaks leaks = Leaks.watch(server);
        try (HikariDataSource pool = Pools.hikari(server, server.port(), 2)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            CountDownLatch inside = new CountDownLatch(1);
            CountDownLatch closed = new CountDownLatch(1);
            int before = rows();
            Caller<Integer> underWay = Caller.start(() -> engine.run(tx -> {
                inside.countDown();
                await(closed);
                tx.connection().createStatement().execute("INSERT INTO written VALUES (2)");
                if (tx.attempt() == 1) {
                    throw new SQLException("so that another attempt is needed", "40001");
                }
                return tx.attempt();
            }));
            await(inside);
            engine.close();
            engine.close();
            IllegalStateException refused = assertThrows(IllegalStateException.class, () -> engine.execute(tx -> { }));
            assertTrue(refused.getMessage().contains("closed"), refused::getMessage);
            closed.countDown();
            assertEquals(2, underWay.ending().returned());
            assertNull(underWay.ending().thrown());
            assertEquals(before + 1, rows());
            leaks.assertThreadsEnded();
            leaks.assertNoTransactionOpen();
            assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
        }
    }

    /** A call whose deadline is no moment at all must not keep the engine open for ever. */
    @Test
    void anAbsurdDeadlineIsOverAtOnceAndIsCounted() {
        Leaks leaks = Leaks.watch(server);
        ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(server, server.port())).build();
        assertThrows(DeadlineExceededException.class,
                () -> engine.execute(TransactionOptions.defaults().withDeadline(Instant.MIN), tx -> { }));
        assertThrows(DeadlineExceededException.class,
                () -> engine.execute(TransactionOptions.defaults().withDeadline(Instant.EPOCH), tx -> { }));
        engine.execute(TransactionOptions.defaults().withDeadline(Instant.MAX), tx -> { });
        leaks.assertNone(engine, null);
    }

    private static void await(CountDownLatch latch) {
        Await.until("the latch", Duration.ofSeconds(30), () -> latch.getCount() == 0);
    }

    private static boolean isClosed(Connection connection) {
        try {
            return connection.isClosed();
        } catch (SQLException unaskable) {
            return true;
        }
    }

    private static int rows() throws SQLException {
        try (Connection connection = server.connect();
                ResultSet row = connection.createStatement().executeQuery("SELECT count(*) FROM written")) {
            row.next();
            return row.getInt(1);
        }
    }
}
