package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.ground.ConnectionSource;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** {@code mostInPool}: how many calls hold a connection at once, and that every end of an attempt makes room again. */
class DoorTest {

    private static PostgresServer server;
    private static WireProxy proxy;
    private final ConnectionSource source =
            () -> DriverManager.getConnection(server.jdbcUrl(proxy.port()), PostgresServer.SUPERUSER, "");

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        proxy = WireProxy.to(server.port());
        try (Connection connection = server.connect(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE doors (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
        }
    }

    @AfterAll
    static void close() {
        proxy.close();
        server.close();
    }

    @Test
    void noMoreThanThatManyAreInside() throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        ExecutorService callers = Executors.newFixedThreadPool(8);
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).mostInPool(2).build()) {
            CountDownLatch twoInside = new CountDownLatch(2);
            List<Future<Integer>> calls = new ArrayList<>();
            for (int caller = 0; caller < 8; caller++) {
                calls.add(callers.submit(() -> executor.run(tx -> {
                    most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                    twoInside.countDown();
                    assertTrue(twoInside.await(20, TimeUnit.SECONDS));
                    return inside.decrementAndGet();
                })));
            }
            for (Future<Integer> call : calls) {
                call.get(30, TimeUnit.SECONDS);
            }
        } finally {
            callers.shutdownNow();
        }
        assertEquals(2, most.get());
    }

    @Test
    void whoWaitsBeforeItInVainIsToldAtTheDeadline() throws Exception {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).mostInPool(1).build();
                ConnectTransactRetry other = ConnectTransactRetry.builder(source).build()) {
            DeadlineExceededException late = executor.run(tx -> {
                ExecutorService second = Executors.newSingleThreadExecutor();
                try {
                    return second.submit(() -> assertThrows(DeadlineExceededException.class, () -> executor.execute(
                            TransactionOptions.defaults().withTimeout(Duration.ofMillis(300)), inner -> { }))).get();
                } finally {
                    second.shutdownNow();
                }
            });
            assertTrue(late.getCause().getMessage().contains("in front of the pool"), late::toString);
            assertEquals(1, other.<Integer, RuntimeException>run(tx -> tx.attempt()));
        }
    }

    @Test
    void everyEndOfAnAttemptMakesRoom() throws Exception {
        TransactionOptions options = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(6));
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).mostInPool(1).build()) {
            executor.execute(options, tx -> sql(tx, "INSERT INTO doors VALUES (1)"));
            assertThrows(IllegalStateException.class, () -> executor.execute(options, tx -> {
                throw new IllegalStateException("the function's own");
            }));
            assertThrows(TransactionFailedException.class,
                    () -> executor.execute(options, tx -> sql(tx, "INSERT INTO doors VALUES (1)")), "refused at COMMIT");
            executor.execute(options, Transaction::rollbackOnly);
            for (WireAction fault : List.of(WireAction.CUT_BEFORE, WireAction.CUT_AFTER, WireAction.HOLD_AND_CUT)) {
                proxy.script(WireScript.once(WireRequest::isCommit, fault));
                executor.execute(options, tx -> sql(tx, "INSERT INTO doors VALUES (" + (2 + fault.ordinal()) + ")"));
            }
            executor.execute(options, tx -> {
                if (tx.attempt() == 1) {
                    proxy.cutAll();
                }
                sql(tx, "INSERT INTO doors VALUES (100)");
            });
            proxy.refuse(true);
            assertThrows(DeadlineExceededException.class, () -> executor.execute(
                    options.withTimeout(Duration.ofMillis(400)), tx -> sql(tx, "INSERT INTO doors VALUES (200)")));
            proxy.refuse(false);
            assertEquals(1, executor.<Integer, SQLException>run(options, tx -> tx.attempt()), "there is still room");
        }
    }

    private static void sql(Transaction tx, String text) throws SQLException {
        try (Statement statement = tx.connection().createStatement()) {
            statement.execute(text);
        }
    }
}
