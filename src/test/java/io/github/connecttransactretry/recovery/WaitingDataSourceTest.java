package io.github.connecttransactretry.recovery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

/** A server that goes away and comes back, behind a {@link WaitingDataSource}. */
class WaitingDataSourceTest {

    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int CALLERS = 24;

    private static PostgresServer server;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE arrivals (caller int)");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    /** Counts attempts to connect, and how many are under way at once while the server refuses. */
    private static final class CountingDriver extends PGSimpleDataSource {

        private static final long serialVersionUID = 1L;

        private final AtomicInteger refusals = new AtomicInteger();
        private final AtomicInteger underWay = new AtomicInteger();
        private final AtomicInteger mostUnderWay = new AtomicInteger();
        private volatile boolean away;

        CountingDriver(PostgresServer server) {
            setUrl(server.jdbcUrl());
            setUser(PostgresServer.SUPERUSER);
        }

        @Override
        public Connection getConnection() throws SQLException {
            int now = underWay.incrementAndGet();
            if (away) {
                mostUnderWay.accumulateAndGet(now, Math::max);
            }
            try {
                return super.getConnection();
            } catch (SQLException refused) {
                refusals.incrementAndGet();
                throw refused;
            } finally {
                underWay.decrementAndGet();
            }
        }
    }

    @Test
    void oneProbesAndAllGoOnWhenTheServerIsBack() throws Exception {
        CountingDriver driver = new CountingDriver(server);
        WaitingDataSource waiting = new WaitingDataSource(driver, PATIENCE);
        ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
        try {
            server.crash();
            List<Future<Connection>> coming = new ArrayList<>();
            for (int caller = 0; caller < CALLERS; caller++) {
                coming.add(callers.submit(() -> waiting.getConnection()));
            }
            awaitProbesByOneAlone(driver);
            server.start();
            for (Future<Connection> one : coming) {
                one.get(PATIENCE.toSeconds(), TimeUnit.SECONDS).close();
            }
        } finally {
            callers.shutdownNow();
        }
        assertEquals(1, driver.mostUnderWay.get(), "probes at once while the server refused");
    }

    @Test
    void aPoolAboveItServesAllCallersAfterAnOutage() throws Exception {
        HikariConfig config = new HikariConfig();
        CountingDriver driver = new CountingDriver(server);
        config.setDataSource(new WaitingDataSource(driver, PATIENCE));
        config.setMaximumPoolSize(4);
        config.setConnectionTimeout(PATIENCE.toMillis());
        ExecutorService callers = Executors.newFixedThreadPool(CALLERS);
        try (HikariDataSource pool = new HikariDataSource(config);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).mostInPool(4).build()) {
            server.crash();
            List<Future<?>> calls = new ArrayList<>();
            for (int caller = 0; caller < CALLERS; caller++) {
                int id = caller;
                calls.add(callers.submit(() -> executor.run(TransactionOptions.defaults().withTimeout(PATIENCE),
                        tx -> insert(tx.connection(), id))));
            }
            awaitProbesByOneAlone(driver);
            server.start();
            for (Future<?> call : calls) {
                call.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            }
        } finally {
            callers.shutdownNow();
        }
        assertEquals(CALLERS, count());
    }

    /** Once the first refusals, which may have come together, are over. */
    private static void awaitProbesByOneAlone(CountingDriver driver) {
        Await.until("the first refusals", PATIENCE, () -> driver.refusals.get() >= CALLERS + 20);
        driver.away = true;
        int before = driver.refusals.get();
        Await.until("thirty more refusals", PATIENCE, () -> driver.refusals.get() >= before + 30);
        driver.away = false;
    }

    @Test
    void passesOnWhatIsNoRefusal() {
        PGSimpleDataSource wrong = new PGSimpleDataSource();
        wrong.setUrl(server.jdbcUrl());
        wrong.setUser(PostgresServer.SUPERUSER);
        wrong.setDatabaseName("no such database");
        SQLException thrown = assertThrows(SQLException.class, () -> new WaitingDataSource(wrong, PATIENCE).getConnection());
        assertEquals("3D000", thrown.getSQLState());
    }

    @Test
    void givesUpWithTheRefusal() throws SQLException {
        PGSimpleDataSource nobody = new PGSimpleDataSource();
        nobody.setUrl("jdbc:postgresql://127.0.0.1:1/postgres?sslmode=disable");
        WaitingDataSource waiting = new WaitingDataSource(nobody, Duration.ofMillis(300));
        assertEquals("08001", assertThrows(SQLException.class, waiting::getConnection).getSQLState());
        assertTrue(waiting.isWrapperFor(PGSimpleDataSource.class));
    }

    @Test
    void anInterruptEndsTheWait() throws Exception {
        PGSimpleDataSource nobody = new PGSimpleDataSource();
        nobody.setUrl("jdbc:postgresql://127.0.0.1:1/postgres?sslmode=disable");
        WaitingDataSource waiting = new WaitingDataSource(nobody, PATIENCE);
        ExecutorService callers = Executors.newFixedThreadPool(2);
        List<Future<Boolean>> ended = new ArrayList<>();
        for (int caller = 0; caller < 2; caller++) {
            ended.add(callers.submit(() -> {
                assertThrows(SQLException.class, waiting::getConnection);
                return Thread.currentThread().isInterrupted();
            }));
        }
        callers.shutdownNow();
        for (Future<Boolean> one : ended) {
            assertTrue(one.get(PATIENCE.toSeconds(), TimeUnit.SECONDS), "the flag is set again");
        }
    }

    @Test
    void aWaitThatIsNotPositiveIsRefused() {
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class,
                () -> new WaitingDataSource(new PGSimpleDataSource(), Duration.ZERO));
        assertTrue(thrown.getMessage().contains("positive"), thrown::getMessage);
    }

    private static int insert(Connection connection, int caller) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.executeUpdate("INSERT INTO arrivals VALUES (" + caller + ")");
        }
    }

    private static int count() throws SQLException {
        try (Connection connection = server.connect(); Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT count(DISTINCT caller) FROM arrivals HAVING count(*) = " + CALLERS)) {
            return row.next() ? row.getInt(1) : -1;
        }
    }
}
