package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where the connections of attempts and of questions come from, and on which thread. */
class ResolverRoadTest {

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

    /** After the COMMIT nothing gets through any more but by way of the resolver's own source. */
    @Test
    void theResolversDataSourceIsAskedWhenItIsGiven() throws SQLException {
        AtomicInteger asked = new AtomicInteger();
        RecordedEvents events = new RecordedEvents();
        try (WireProxy proxy = WireProxy.to(server.port()); HikariDataSource pool = Pools.hikari(server, proxy.port(), 1)) {
            ConnectionSource direct = Pools.plain(server, server.port());
            DataSource resolver = Pools.asDataSource(() -> {
                asked.incrementAndGet();
                return direct.open();
            });
            proxy.script(request -> {
                if (!request.isCommit()) {
                    return WireAction.PASS;
                }
                proxy.silentOnConnect(true);
                return WireAction.CUT_AFTER;
            });
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).resolverDataSource(resolver)
                    .listener(events).build()) {
                String value = engine.run(TransactionOptions.defaults().withTimeout(Duration.ofSeconds(5)), tx -> {
                    tx.connection().createStatement().execute("INSERT INTO written VALUES (1)");
                    return "the value";
                });
                assertEquals("the value", value);
            }
            // Else the pool waits in close() for a login that hangs.
            proxy.silentOnConnect(false);
            proxy.cutAll();
            assertEquals(1, asked.get());
            assertEquals("transaction-status", events.of(OutcomeResolved.class).get(0).resolver());
        }
    }

    @Test
    void theAttemptsOwnDataSourceIsRefusedAsTheResolvers() {
        DataSource same = Pools.simple(server, server.port());
        IllegalArgumentException refused = assertThrows(IllegalArgumentException.class,
                () -> ConnectTransactRetry.builder(same).resolverDataSource(same));
        assertTrue(refused.getMessage().contains("resolverDataSource"), refused::getMessage);
    }

    /** Without a way past the pool the question is asked through it: that needs a second connection, and there is one. */
    @Test
    void anUnknownDataSourceServesBoth() throws SQLException {
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry engine = ConnectTransactRetry
                        .builder(Pools.asDataSource(Pools.plain(server, proxy.port()))).build()) {
            proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            int attempt = engine.run(tx -> {
                tx.connection().createStatement().execute("INSERT INTO written VALUES (2)");
                return tx.attempt();
            });
            assertEquals(1, attempt);
        }
    }

    /** A data source may look at thread locals (a tenant, say). */
    @Test
    void connectOnCallerThreadDoesWhatItSays() throws SQLException {
        ThreadLocal<String> tenant = new ThreadLocal<>();
        List<String> seen = new CopyOnWriteArrayList<>();
        ConnectionSource plain = Pools.plain(server, server.port());
        DataSource byTenant = Pools.asDataSource(() -> {
            seen.add(Thread.currentThread().getName() + " " + tenant.get());
            return plain.open();
        });
        tenant.set("mine");
        try (ConnectTransactRetry onCaller = ConnectTransactRetry.builder(byTenant).connectOnCallerThread().build();
                ConnectTransactRetry onWorker = ConnectTransactRetry.builder(byTenant).build()) {
            onCaller.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (3)"));
            assertEquals(List.of(Thread.currentThread().getName() + " mine"), seen);
            onWorker.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (4)"));
            assertTrue(seen.get(1).startsWith(EngineThreads.NAME) && seen.get(1).endsWith(" null"), seen::toString);
        } finally {
            tenant.remove();
        }
    }

    /** A pool whose own limits are shorter than the deadline needs no thread to be waited for. */
    @ParameterizedTest
    @CsvSource({"1000, 500, 5, true", "1000, 500, 1, false", "30000, 5000, 20, false", "30000, 5000, 60, true"})
    void aPoolThatIsQuickerThanTheDeadlineIsAskedOnTheCallersThread(int connectionTimeout, int validationTimeout,
                                                                    int deadlineSeconds, boolean onCaller) throws SQLException {
        AtomicInteger asked = new AtomicInteger();
        Thread[] asking = new Thread[1];
        try (HikariDataSource pool = new HikariDataSource() {
            @Override
            public Connection getConnection() throws SQLException {
                asked.incrementAndGet();
                asking[0] = Thread.currentThread();
                return super.getConnection();
            }
        }) {
            pool.setJdbcUrl(server.jdbcUrl());
            pool.setUsername(PostgresServer.SUPERUSER);
            pool.setMaximumPoolSize(1);
            pool.setConnectionTimeout(connectionTimeout);
            pool.setValidationTimeout(validationTimeout);
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build()) {
                engine.execute(TransactionOptions.defaults().withTimeout(Duration.ofSeconds(deadlineSeconds)),
                        tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (5)"));
            }
            assertEquals(1, asked.get());
            if (onCaller) {
                assertSame(Thread.currentThread(), asking[0]);
            } else {
                assertTrue(asking[0].getName().startsWith(EngineThreads.NAME), asking[0]::toString);
            }
        }
    }
}
