package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.TransactionState;

/** 64 threads, 8 connections, and 10 s of backends that are terminated at random. */
class TerminationStormTest {

    private static final int THREADS = 64;
    private static final int POOL = 8;
    private static final int ROWS = 16;
    private static final Duration STORM = Duration.ofSeconds(10);
    private static final String APPLICATION = "&ApplicationName=storm";

    private static PostgresServer server;
    private final RecordedEvents events = new RecordedEvents();
    private final Queue<String> unfit = new ConcurrentLinkedQueue<>();
    private final AtomicInteger calls = new AtomicInteger();
    private final AtomicInteger terminated = new AtomicInteger();
    private final long seed = System.nanoTime();

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.builder().setting("max_connections", "200").launch();
        try (Connection connection = server.connect()) {
            connection.createStatement().execute("CREATE TABLE account (id int PRIMARY KEY, n int);"
                    + " INSERT INTO account SELECT g, 0 FROM generate_series(1, " + ROWS + ") g");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @Test
    void thePoolEndsWithEveryConnectionThereAndIdle() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(server, server.port(), POOL, config -> {
            config.setJdbcUrl(config.getJdbcUrl() + APPLICATION);
        })) {
            Leaks leaks = Leaks.watch(server);
            ConnectTransactRetry engine = builder(ConnectTransactRetry.builder(pool)).build();
            weather(engine, "pooled");
            Await.until("every connection to be back", Duration.ofSeconds(10),
                    () -> pool.getHikariPoolMXBean().getActiveConnections() == 0);
            assertEveryConnectionIsFit(pool);
            leaks.assertNone(engine, pool);
        }
    }

    @Test
    void plainConnectionsAllEnd() throws SQLException {
        Leaks leaks = Leaks.watch(server);
        ConnectionSource plain = Pools.plain(server.jdbcUrl() + APPLICATION);
        ConnectTransactRetry engine = builder(ConnectTransactRetry.builder(plain)).build();
        weather(engine, "plain");
        leaks.assertNone(engine, null);
        try (Connection connection = server.connect()) {
            Audit.awaitQuiet(connection, Duration.ofSeconds(10));
        }
    }

    private ConnectTransactRetryBuilder builder(ConnectTransactRetryBuilder builder) {
        // Here a lost connection is no sign of a statement that kills its backend.
        return builder.listener(events).retryPolicy(RetryPolicy.defaults().withMaxBodyLosses(10_000)
                .withOutageBackoff(Backoff.fixed(Duration.ofMillis(5)).withEqualJitter()));
    }

    private void weather(ConnectTransactRetry engine, String name) throws SQLException {
        System.out.println("termination storm, " + name + ": seed " + seed);
        Audit audit;
        long before;
        try (Connection connection = server.connect()) {
            audit = Audit.create(connection, "effect_" + name);
            before = total(connection);
        }
        long end = System.nanoTime() + STORM.toNanos();
        List<Caller<Integer>> callers = new ArrayList<>();
        for (int i = 0; i < THREADS; i++) {
            Random random = new Random(seed + i);
            callers.add(Caller.start(() -> work(engine, audit, random, end)));
        }
        storm(new Random(seed), end);
        callers.forEach(caller -> caller.ending().returned());
        try (Connection connection = server.connect()) {
            AuditReport report = audit.read(connection);
            System.out.println("termination storm, " + name + ": " + terminated + " terminated, "
                    + events.of(AttemptFailed.class).size() + " attempts failed, " + events.of(OutcomeAsked.class).size()
                    + " in doubt; " + report);
            assertTrue(report.isExactlyOnce() && report.failed() == 0 && report.unknown().isEmpty(), report::toString);
            assertEquals(report.acknowledged(), total(connection) - before, "each call has added one, once");
            assertEquals(List.of(), List.copyOf(unfit));
            assertTrue(terminated.get() > 100 && events.of(AttemptFailed.class).size() > 50 && report.acknowledged() > 500,
                    "the storm was one");
        }
    }

    private int work(ConnectTransactRetry engine, Audit audit, Random random, long end) {
        int done = 0;
        while (System.nanoTime() < end) {
            String call = "call-" + calls.incrementAndGet();
            int row = 1 + random.nextInt(ROWS);
            try {
                audit.acknowledged(call, engine.run(tx -> {
                    requireFit(tx.connection());
                    audit.append(tx.connection(), call, tx.attempt());
                    try (PreparedStatement update = tx.connection().prepareStatement(
                            "UPDATE account SET n = n + 1 WHERE id = ?")) {
                        update.setInt(1, row);
                        update.executeUpdate();
                    }
                    return tx.attempt();
                }));
            } catch (SQLException | TransactionRetryException thrown) {
                audit.threw(call, thrown);
            }
            done++;
        }
        return done;
    }

    /** What the function is given: open, and with no transaction of anybody else. */
    private void requireFit(Connection connection) throws SQLException {
        TransactionState state = connection.unwrap(BaseConnection.class).getTransactionState();
        if (connection.isClosed() || state != TransactionState.IDLE) {
            unfit.add("closed=" + connection.isClosed() + " state=" + state);
        }
    }

    /** Not in the middle of a login: that makes HikariCP's filler sleep for up to 5 s, and nothing would go on meanwhile. */
    private void storm(Random random, long end) throws SQLException {
        try (Connection connection = server.connect(); PreparedStatement terminate = connection.prepareStatement(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'storm'"
                        + " AND clock_timestamp() - backend_start > '50 ms'"
                        + " ORDER BY md5(pid::text || ?) LIMIT 1")) {
            while (System.nanoTime() < end) {
                terminate.setInt(1, random.nextInt());
                try (ResultSet row = terminate.executeQuery()) {
                    terminated.addAndGet(row.next() && row.getBoolean(1) ? 1 : 0);
                }
                long next = System.nanoTime() + Duration.ofMillis(1 + random.nextInt(30)).toNanos();
                Await.until("the next blow", Duration.ofSeconds(5), () -> System.nanoTime() >= next);
            }
        }
    }

    private static long total(Connection connection) throws SQLException {
        try (ResultSet row = connection.createStatement().executeQuery("SELECT sum(n) FROM account")) {
            row.next();
            return row.getLong(1);
        }
    }

    private static void assertEveryConnectionIsFit(HikariDataSource pool) throws SQLException {
        List<Connection> all = new ArrayList<>();
        for (int i = 0; i < POOL; i++) {
            Connection connection = pool.getConnection();
            all.add(connection);
            assertEquals(TransactionState.IDLE, connection.unwrap(BaseConnection.class).getTransactionState());
            assertTrue(connection.getAutoCommit() && !connection.isClosed() && connection.isValid(5));
        }
        assertEquals(POOL, pool.getHikariPoolMXBean().getActiveConnections());
        for (Connection connection : all) {
            connection.close();
        }
    }
}
