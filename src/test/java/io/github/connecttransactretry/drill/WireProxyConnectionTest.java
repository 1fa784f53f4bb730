package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Faults of whole connections, and the end of the proxy. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class WireProxyConnectionTest {

    private static final Duration BOUND = Duration.ofSeconds(30);

    private static PostgresServer server;
    private WireProxy proxy;

    @BeforeAll
    static void launch() {
        server = PostgresServer.launch();
    }

    @AfterAll
    static void shutDown() {
        server.close();
    }

    @BeforeEach
    void open() {
        proxy = WireProxy.to(server.port());
    }

    @AfterEach
    void close() {
        proxy.close();
    }

    @Test
    void refusesAndStopsToRefuse() throws SQLException {
        proxy.refuse(true);
        long begun = System.nanoTime();
        SQLException refused = assertThrows(SQLException.class, () -> server.connect(proxy.port()));
        assertTrue(refused.getSQLState().startsWith("08"), refused.getSQLState());
        assertTrue(System.nanoTime() - begun < BOUND.toNanos());
        assertEquals(0, proxy.sessions());

        proxy.refuse(false);

        server.connect(proxy.port()).close();
        assertEquals(1, proxy.sessions());
    }

    @Test
    void isSilentOnConnect() throws SQLException {
        proxy.silentOnConnect(true);
        SQLException silent = assertThrows(SQLException.class, () -> DriverManager
                .getConnection(server.jdbcUrl(proxy.port()) + "&socketTimeout=1", PostgresServer.SUPERUSER, ""));
        assertTrue(silent.getCause() instanceof SocketTimeoutException, String.valueOf(silent.getCause()));

        proxy.silentOnConnect(false);

        server.connect(proxy.port()).close();
        Await.until("both to have left", BOUND, () -> proxy.openConnections() == 0);
    }

    @Test
    void cutsAll() throws SQLException {
        try (Connection first = server.connect(proxy.port()); Connection second = Sql.begin(server, proxy.port())) {
            Sql.run(second, "SELECT 1");

            proxy.cutAll();

            assertEquals("08006", assertThrows(SQLException.class, () -> Sql.run(first, "SELECT 1")).getSQLState());
            assertEquals("08006", assertThrows(SQLException.class, second::commit).getSQLState());
            awaitBackends(0);
            assertEquals(0, proxy.openConnections());
            server.connect(proxy.port()).close();
        }
    }

    @Test
    void cutAllWakesAClientThatWaits() {
        try (Connection connection = server.connect(proxy.port())) {
            CompletableFuture<SQLException> query = CompletableFuture.supplyAsync(
                    () -> assertThrows(SQLException.class, () -> Sql.run(connection, "SELECT pg_sleep(2)")));
            Await.until("the query to run", BOUND, () -> Sql.value(server,
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").equals("1"));

            proxy.cutAll();

            assertEquals("08006", query.join().getSQLState());
        } catch (SQLException closingFailed) {
            throw new IllegalStateException(closingFailed);
        }
    }

    @Test
    void silencesAll() throws SQLException {
        try (Connection connection = server.connect(proxy.port())) {
            proxy.silenceAll();
            connection.setNetworkTimeout(Runnable::run, 300);

            SQLException silent = assertThrows(SQLException.class, () -> Sql.run(connection, "CREATE TABLE never (id int)"));

            assertTrue(silent.getCause() instanceof SocketTimeoutException, String.valueOf(silent.getCause()));
        }
        assertEquals(null, Sql.value(server, "SELECT to_regclass('never')"));
        // Both hung up on a black hole: the server has not heard of it.
        awaitBackends(1);
        server.connect(proxy.port()).close();
    }

    @Test
    void retargetsNewConnectionsOnly() throws SQLException {
        try (PostgresServer other = PostgresServer.launch(); Connection old = server.connect(proxy.port())) {
            proxy.retarget(other.port());
            try (Connection fresh = server.connect(proxy.port())) {
                assertEquals(other.port(), Sql.number(fresh, "SHOW port"));
                assertEquals(server.port(), Sql.number(old, "SHOW port"));
            }
        }
    }

    @Test
    void reachesAServerByName() throws SQLException {
        try (WireProxy named = WireProxy.to("localhost", server.port()); Connection connection = server.connect(named.port())) {
            assertEquals(server.port(), Sql.number(connection, "SHOW port"));
        }
    }

    @Test
    void aServerThatIsDownIsAReset() throws SQLException {
        try (PostgresServer other = PostgresServer.launch()) {
            proxy.retarget(other.port());
            try (Connection open = server.connect(proxy.port())) {
                other.stop();

                SQLException ended = assertThrows(SQLException.class, () -> Sql.run(open, "SELECT 1"));
                assertEquals("57P01", ended.getSQLState());
            }
            SQLException down = assertThrows(SQLException.class, () -> server.connect(proxy.port()));
            assertTrue(down.getSQLState().startsWith("08"), down.getSQLState());
            Await.until("nobody to be left", BOUND, () -> proxy.openConnections() == 0);
        }
    }

    @Test
    void aClientThatHangsUpEndsItsBackend() throws SQLException {
        Connection connection = server.connect(proxy.port());
        awaitBackends(1);

        connection.abort(Runnable::run);

        awaitBackends(0);
        Await.until("nobody to be left", BOUND, () -> proxy.openConnections() == 0);
    }

    @Test
    void closeEndsEveryThreadAndSocketInWhateverState() throws Exception {
        List<CompletableFuture<SQLException>> clients = new ArrayList<>();
        CountDownLatch never = new CountDownLatch(1);
        proxy.trickleInterval(Duration.ofMinutes(1));
        proxy.script(request -> {
            for (WireAction action : WireAction.values()) {
                if (request.mentions("'" + action + "'")) {
                    return action;
                }
            }
            return request.mentions("'BLOCK'") ? block(never) : WireAction.PASS;
        });
        for (WireAction action : WireAction.values()) {
            clients.add(ask(server.connect(proxy.port()), action.name()));
        }
        clients.add(ask(server.connect(proxy.port()), "BLOCK"));
        Await.until("all requests", BOUND, () -> proxy.recentRequests().stream().filter(r -> r.mentions("pg_sleep(0)")).count()
                == WireAction.values().length + 1);
        Connection silenced = server.connect(proxy.port());
        proxy.silenceAll();
        proxy.silentOnConnect(true);
        clients.add(CompletableFuture.supplyAsync(() -> assertThrows(SQLException.class, () -> server.connect(proxy.port()))));
        Await.until("the silent one", BOUND, () -> proxy.sessions() == clients.size() + 1);
        assertTrue(threads().size() > 8, threads().toString());

        proxy.close();

        assertEquals(List.of(), threads());
        for (CompletableFuture<SQLException> client : clients) {
            client.get(30, TimeUnit.SECONDS);
        }
        assertThrows(SQLException.class, () -> Sql.run(silenced, "SELECT 1"));
        assertThrows(SQLException.class, () -> server.connect(proxy.port()));
        awaitBackends(0);
        proxy.close();
    }

    /** Asks something on a thread of its own; what fails, if the answer does not come. */
    private static CompletableFuture<SQLException> ask(Connection connection, String name) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                Sql.run(connection, "SELECT pg_sleep(0), '" + name + "'");
                return null;
            } catch (SQLException failed) {
                return failed;
            }
        }, work -> new Thread(work, "asking-" + name).start());
    }

    private static WireAction block(CountDownLatch never) {
        try {
            never.await();
        } catch (InterruptedException closing) {
            throw new IllegalStateException(closing);
        }
        return WireAction.PASS;
    }

    private List<String> threads() {
        return Thread.getAllStackTraces().keySet().stream().map(Thread::getName)
                .filter(name -> name.startsWith(WireProxy.THREAD_PREFIX + proxy.port() + "-")).sorted().toList();
    }

    private static void awaitBackends(int count) {
        Await.until(count + " client backends", BOUND, () -> Sql.value(server, "SELECT count(*) FROM pg_stat_activity"
                + " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()").equals(Integer.toString(count)));
    }
}
