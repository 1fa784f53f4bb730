package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.fixtures.OneConnection;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.Evicted;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/** Broken and stale connections never go back to the pool that they came from. */
class EvictionTest {

    private static final Duration BOUND = Duration.ofSeconds(10);

    private static PostgresServer server;
    private final RecordedEvents events = new RecordedEvents();

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

    /** HikariCP does not know 25P03, and would lend the dead connection again within its 500 ms of trust. */
    @Test
    void aConnectionThatTheServerEndedLeavesThePool() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(server, server.port(), 1);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).listener(events).build()) {
            int before = pidOf(pool);
            assertThrows(SQLException.class, () -> engine.execute(tx -> {
                tx.connection().createStatement().execute("SET LOCAL idle_in_transaction_session_timeout = '20ms'");
                Await.until("the backend to end itself", BOUND, () -> !backendLives(before));
                tx.connection().createStatement().execute("INSERT INTO written VALUES (1)");
            }));
            assertEquals(1, events.of(Evicted.class).size());
            assertNotEquals(before, pidOf(pool), "another connection has its place");
            assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
        }
    }

    /** The function's error says that the server is going down; the connection lives, and must not be lent again. */
    @Test
    void aConnectionThatIsNoLongerTrustedLeavesThePool() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(server, server.port(), 1)) {
            int before = pidOf(pool);
            assertExhausted(ConnectTransactRetry.builder(pool));
            assertNotEquals(before, pidOf(pool), "another connection has its place");
            Await.until("the backend to end", BOUND, () -> !backendLives(before));
        }
    }

    /** The same where nothing is known of the pool but that it gets its connections back. */
    @Test
    void aConnectionOfAnUnknownPoolIsClosedForGood() throws SQLException {
        try (Connection plain = server.connect()) {
            OneConnection source = new OneConnection(plain);
            assertExhausted(ConnectTransactRetry.builder(Pools.asDataSource(source)));
            assertTrue(plain.isClosed());
            assertEquals(1, source.lent());
            assertEquals(1, source.returned());
        }
    }

    private void assertExhausted(ConnectTransactRetryBuilder builder) {
        try (ConnectTransactRetry engine = builder.listener(events).retryPolicy(RetryPolicy.defaults().withMaxAttempts(1)).build()) {
            assertThrows(RetriesExhaustedException.class, () -> engine.execute(tx -> {
                throw new SQLException("the administrator's command", "57P01");
            }));
        }
        assertEquals(1, events.of(Evicted.class).size(), () -> events.all().toString());
    }

    /** The pool's connections lead to a standby: all idle ones are as stale as the first. */
    @Test
    void oneStaleConnectionReplacesAllIdleOnesOncePerIncident() throws SQLException {
        try (PostgresServer standby = server.startStandby("reader"); WireProxy proxy = WireProxy.to(standby.port());
                CountedEvictions pool = new CountedEvictions(server.jdbcUrl(proxy.port()))) {
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).listener(events).build()) {
                Set<Integer> stale = fill(pool);
                proxy.retarget(server.port());
                engine.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (3)"));
                assertEquals(1, pool.softEvictions.get());
                assertEquals(1, events.of(AttemptFailed.class).stream().filter(f -> f.failure().verdict() == Verdict.STALE_SERVER).count());
                assertEquals(1, events.of(Evicted.class).stream().filter(Evicted::wholePool).count());
                Set<Integer> fresh = fill(pool);
                fresh.retainAll(stale);
                assertEquals(Set.of(), fresh, "no connection to the standby is left");
                engine.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (4)"));
                assertEquals(1, pool.softEvictions.get(), "with the primary met, the incident is over");

                proxy.retarget(standby.port());
                pool.getHikariPoolMXBean().softEvictConnections();
                Set<Integer> staleAgain = fill(pool);
                proxy.retarget(server.port());
                engine.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (5)"));
                assertEquals(1 + 1 + 1, pool.softEvictions.get(), "a new incident; one of the three was the test's own");
                Set<Integer> freshAgain = fill(pool);
                freshAgain.retainAll(staleAgain);
                assertEquals(Set.of(), freshAgain);
            }
        }
    }

    /** HikariCP that counts how often all its connections are replaced. */
    private static final class CountedEvictions extends HikariDataSource {

        private static final int SIZE = 4;
        private final AtomicInteger softEvictions = new AtomicInteger();

        CountedEvictions(String url) {
            super(config(url));
        }

        private static HikariConfig config(String url) {
            HikariConfig config = new HikariConfig();
            config.setJdbcUrl(url);
            config.setUsername(PostgresServer.SUPERUSER);
            config.setMaximumPoolSize(SIZE);
            return config;
        }

        @Override
        public HikariPoolMXBean getHikariPoolMXBean() {
            HikariPoolMXBean real = super.getHikariPoolMXBean();
            return (HikariPoolMXBean) Proxy.newProxyInstance(EvictionTest.class.getClassLoader(),
                    new Class<?>[] {HikariPoolMXBean.class}, (proxy, method, args) -> {
                        softEvictions.addAndGet(method.getName().equals("softEvictConnections") ? 1 : 0);
                        try {
                            return method.invoke(real, args);
                        } catch (InvocationTargetException thrown) {
                            throw thrown.getCause();
                        }
                    });
        }
    }

    /** Borrows all connections at once, so that all are open; the backends that they lead to. */
    private static Set<Integer> fill(HikariDataSource pool) throws SQLException {
        List<Connection> all = new ArrayList<>();
        Set<Integer> pids = new HashSet<>();
        for (int i = 0; i < pool.getMaximumPoolSize(); i++) {
            all.add(pool.getConnection());
            pids.add(all.get(i).unwrap(PGConnection.class).getBackendPID());
        }
        for (Connection connection : all) {
            connection.close();
        }
        return pids;
    }

    private static int pidOf(HikariDataSource pool) throws SQLException {
        try (Connection connection = pool.getConnection();
                ResultSet row = connection.createStatement().executeQuery("SELECT pg_backend_pid()")) {
            row.next();
            return row.getInt(1);
        }
    }

    private static boolean backendLives(int pid) throws SQLException {
        try (Connection connection = server.connect(); ResultSet row = connection.createStatement()
                .executeQuery("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid)) {
            row.next();
            return row.getInt(1) > 0;
        }
    }
}
