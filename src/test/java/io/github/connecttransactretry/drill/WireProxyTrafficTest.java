package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

/** All kinds of traffic get through untouched, are counted, and can be stalled. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class WireProxyTrafficTest {

    private static final Duration BOUND = Duration.ofSeconds(30);

    private static PostgresServer server;
    private WireProxy proxy;

    @BeforeAll
    static void launch() {
        server = PostgresServer.builder().setting("max_connections", "200").launch();
    }

    @AfterAll
    static void shutDown() {
        server.close();
    }

    @BeforeEach
    void open() throws SQLException {
        Sql.run(server, "DROP TABLE IF EXISTS t");
        Sql.run(server, "CREATE TABLE t (id int, data bytea)");
        proxy = WireProxy.to(server.port());
    }

    @AfterEach
    void close() {
        proxy.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 20})
    void kStatementsAndACommitAreKPlusOneRoundTrips(int k) throws SQLException {
        try (Connection connection = Sql.begin(server, proxy.port())) {
            proxy.resetRoundTrips();
            for (int i = 0; i < k; i++) {
                Sql.run(connection, "INSERT INTO t VALUES (" + i + ")");
            }
            connection.commit();

            assertEquals(k + 1, proxy.roundTrips());
        }
    }

    @Test
    void aSimpleQueryIsOneRoundTripAndTheStartIsNone() throws SQLException {
        try (Connection connection =
                DriverManager.getConnection(server.jdbcUrl(proxy.port()) + "&preferQueryMode=simple&ApplicationName=a",
                        PostgresServer.SUPERUSER, "")) {
            long atStart = proxy.roundTrips();
            // The driver's own first statement, if any, is a request like others; the handshake is none.
            assertEquals(proxy.recentRequests().size(), atStart);
            Sql.run(connection, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");

            assertEquals(atStart + 1, proxy.roundTrips());
            assertEquals(2, Sql.number(connection, "SELECT count(*) FROM t"));
        }
    }

    @Test
    void requestsCarrySessionOrdinalAndBackend() throws SQLException {
        try (Connection first = server.connect(proxy.port()); Connection second = server.connect(proxy.port())) {
            int before = proxy.recentRequests().size();
            int pid = Sql.number(second, "SELECT pg_backend_pid()");
            int other = Sql.number(first, "SELECT pg_backend_pid() + 0");

            List<WireRequest> seen = proxy.recentRequests().subList(before, before + 2);
            assertEquals(new WireRequest(2, seen.get(0).ordinal(), pid, List.of("SELECT pg_backend_pid()")), seen.get(0));
            assertEquals(new WireRequest(1, seen.get(0).ordinal(), other, List.of("SELECT pg_backend_pid() + 0")), seen.get(1));
            assertEquals(2, proxy.sessions());
            assertEquals(2, proxy.openConnections());
        }
        Await.until("both to have left", BOUND, () -> proxy.openConnections() == 0);
    }

    @Test
    void copyGoesBothWays() throws Exception {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 100_000; i++) {
            lines.append(i).append("\t\\\\x00ff\n");
        }
        try (Connection connection = server.connect(proxy.port())) {
            var copy = connection.unwrap(PGConnection.class).getCopyAPI();
            proxy.resetRoundTrips();
            assertEquals(100_000, copy.copyIn("COPY t FROM STDIN", new StringReader(lines.toString())));
            assertEquals(1, proxy.roundTrips());
            StringWriter out = new StringWriter();
            assertEquals(100_000, copy.copyOut("COPY t TO STDOUT", out));
            assertEquals(lines.toString(), out.toString());
            SQLException broken = assertThrows(SQLException.class, () -> copy.copyIn("COPY t FROM STDIN", new StringReader("x\n")));
            assertEquals("22P02", broken.getSQLState());
            assertEquals(100_000, Sql.number(connection, "SELECT count(*) FROM t"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"CUT_AFTER", "BLACK_HOLE_AFTER"})
    void aCopyWhoseAnswerIsLostStillGetsItsData(WireAction action) throws Exception {
        Connection connection = server.connect(proxy.port());
        var copy = connection.unwrap(PGConnection.class).getCopyAPI();
        connection.setNetworkTimeout(Runnable::run, 1000);
        proxy.script(WireScript.once(request -> request.mentions("copy t"), action));

        assertThrows(Exception.class, () -> copy.copyIn("COPY t FROM STDIN", new StringReader("1\t\\N\n2\t\\N\n")));

        assertEquals("2", Sql.value(server, "SELECT count(*) FROM t"));
        connection.abort(Runnable::run);
    }

    @Test
    void cursorsBatchesAndErrorsPass() throws SQLException {
        try (Connection connection = Sql.begin(server, proxy.port()); Statement statement = connection.createStatement()) {
            for (int i = 0; i < 500; i++) {
                statement.addBatch("INSERT INTO t VALUES (" + i + ")");
            }
            assertEquals(500, statement.executeBatch().length);
            statement.setFetchSize(50);
            int rows = 0;
            try (ResultSet all = statement.executeQuery("SELECT id FROM t ORDER BY id")) {
                while (all.next()) {
                    assertEquals(rows++, all.getInt(1));
                }
            }
            assertEquals(500, rows);
            assertEquals("SELECT id FROM t ORDER BY id", proxy.recentRequests().get(proxy.recentRequests().size() - 1).statements().get(0));
            assertEquals("42P01", assertThrows(SQLException.class, () -> Sql.run(connection, "SELECT * FROM nowhere")).getSQLState());
            connection.rollback();
            assertEquals(0, Sql.number(connection, "SELECT count(*) FROM t"));
        }
    }

    @Test
    void aCancelRequestPasses() throws Exception {
        try (Connection connection = server.connect(proxy.port()); Statement statement = connection.createStatement()) {
            CompletableFuture<SQLException> cancelled = CompletableFuture.supplyAsync(
                    () -> assertThrows(SQLException.class, () -> statement.execute("SELECT pg_sleep(60)")));
            Await.until("the query to run", BOUND, () -> Sql.value(server,
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").equals("1"));
            statement.cancel();

            assertEquals("57014", cancelled.get(30, TimeUnit.SECONDS).getSQLState());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1000, 1 << 20, (1 << 20) + 1, 5_000_000, 64 << 20})
    void messagesOfAnySizePass(int size) throws SQLException {
        try (Connection connection = Sql.begin(server, proxy.port())) {
            proxy.resetRoundTrips();
            insert(connection, size);
            connection.commit();
            assertEquals(2, proxy.roundTrips());
            assertEquals(List.of("BEGIN", "INSERT INTO t VALUES (1, $1)"), lastButOne().statements());
            try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery("SELECT data FROM t")) {
                row.next();
                assertEquals(size, row.getBytes(1).length);
            }
        }
    }

    @Test
    void aLargeMessageCanBeStalled() throws Exception {
        List<WireRequest> asked = new CopyOnWriteArrayList<>();
        proxy.script(large(asked, WireAction.STALL));
        Connection connection = Sql.begin(server, proxy.port());
        try {
            // It does not bound a write that blocks.
            connection.setNetworkTimeout(Runnable::run, 300);
            CompletableFuture<SQLException> insert = CompletableFuture.supplyAsync(
                    () -> assertThrows(SQLException.class, () -> insert(connection, 64 << 20)));
            Await.until("the message to begin", BOUND, () -> !asked.isEmpty());
            assertThrows(TimeoutException.class, () -> insert.get(1, TimeUnit.SECONDS));
            assertEquals(List.of("BEGIN", "INSERT INTO t VALUES (1, $1)"), asked.get(0).statements());

            connection.abort(Runnable::run);

            assertEquals("08006", insert.get(30, TimeUnit.SECONDS).getSQLState());
        } finally {
            // close() would say goodbye, and block behind the write that blocks.
            connection.abort(Runnable::run);
        }
        assertEquals("0", Sql.value(server, "SELECT count(*) FROM t"));
    }

    @Test
    void aLargeMessageCanBeCutOrHeld() throws SQLException {
        try (Connection connection = server.connect(proxy.port())) {
            proxy.script(large(new ArrayList<>(), WireAction.CUT_BEFORE));
            assertThrows(SQLException.class, () -> insert(connection, 5_000_000));
        }
        assertEquals("0", Sql.value(server, "SELECT count(*) FROM t"));
        try (Connection connection = server.connect(proxy.port())) {
            proxy.script(large(new ArrayList<>(), WireAction.HOLD_AND_CUT));
            assertThrows(SQLException.class, () -> insert(connection, 5_000_000));
        }
        assertEquals("INSERT 0 1", proxy.releaseHeld().get(0).outcome().orElseThrow());
        assertEquals("5000000", Sql.value(server, "SELECT length(data) FROM t"));
    }

    @Test
    void theAnswerToTheBeginBeforeALargeMessageIsNotTakenForTheAnswerToTheCommit() throws Exception {
        Connection connection = Sql.begin(server, proxy.port());
        int pid = Sql.number(connection, "SELECT pg_backend_pid()");
        connection.commit();
        proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        CompletableFuture<SQLException> insert;
        try (Connection blocker = Sql.begin(server, server.port())) {
            Sql.run(blocker, "LOCK TABLE t");
            // Held still until all has been sent: the answer to BEGIN comes after that.
            server.suspend(pid);
            insert = CompletableFuture.supplyAsync(() -> assertThrows(SQLException.class,
                    () -> insert(connection, "INSERT INTO t VALUES (1, ?); COMMIT", WireProxy.LARGE_MESSAGE + 1)));
            Await.until("the commit", BOUND, () -> proxy.recentRequests().get(proxy.recentRequests().size() - 1).isCommit());
            server.resume(pid);
            assertThrows(TimeoutException.class, () -> insert.get(500, TimeUnit.MILLISECONDS));
        }
        assertEquals("08006", insert.get(30, TimeUnit.SECONDS).getSQLState());
        assertEquals("1", Sql.value(server, "SELECT count(*) FROM t"));
    }

    @Test
    void aFlushGetsItsAnswerBeforeTheSync() throws Exception {
        try (RawClient client = new RawClient(proxy.port())) {
            proxy.script(WireScript.once(request -> request.mentions("INSERT INTO t VALUES (2)"), WireAction.CUT_BEFORE));
            client.send(RawClient.execute("INSERT INTO t VALUES (1)"));
            client.send(RawClient.message('H', ""));
            assertEquals("12C", client.answersUntil('C'));
            assertEquals(0, proxy.roundTrips());
            client.send(RawClient.message('S', ""));
            assertEquals("Z", client.answersUntil('Z'));
            assertEquals(1, proxy.roundTrips());
            assertEquals(List.of("INSERT INTO t VALUES (1)"), proxy.recentRequests().get(0).statements());

            byte[][] second = RawClient.execute("INSERT INTO t VALUES (2)");
            client.send(RawClient.message('Q', "BEGIN\0"), second[0], second[1], second[2], RawClient.message('H', ""));

            assertThrows(IOException.class, () -> client.answersUntil('Z'));
        }
        assertEquals("1", Sql.value(server, "SELECT count(*) FROM t"));
    }

    @Test
    void whatIsSentInOneWriteIsOneRequest() throws Exception {
        try (RawClient client = new RawClient(proxy.port())) {
            client.send(RawClient.message('Q', "BEGIN\0"), RawClient.message('Q', "SELECT 1\0"), RawClient.message('Q', "COMMIT\0"));
            assertEquals("CZTDCZCZ", client.answersUntil('Z') + client.answersUntil('Z') + client.answersUntil('Z'));
            assertEquals(1, proxy.roundTrips());
            assertEquals(List.of("BEGIN", "SELECT 1", "COMMIT"), proxy.recentRequests().get(0).statements());

            // The farewell in the same write does not overtake what was asked.
            client.send(RawClient.message('Q', "INSERT INTO t VALUES (1)\0"), RawClient.message('X', ""));
            Await.until("the insert", BOUND, () -> Sql.value(server, "SELECT count(*) FROM t").equals("1"));
        }
    }

    @Test
    void manySessionsAndConnectionsAtOnce() throws Exception {
        int sessions = 64;
        int connectionsEach = 16;
        ExecutorService pool = Executors.newFixedThreadPool(sessions);
        try {
            List<Future<Integer>> all = new ArrayList<>();
            for (int i = 0; i < sessions; i++) {
                int id = i;
                all.add(pool.submit(() -> reconnect(id, connectionsEach)));
            }
            int committed = 0;
            for (Future<Integer> one : all) {
                committed += one.get(60, TimeUnit.SECONDS);
            }
            assertEquals(sessions * connectionsEach, committed);
        } finally {
            pool.shutdownNow();
        }
        assertEquals(sessions * connectionsEach, Integer.parseInt(Sql.value(server, "SELECT count(*) FROM t")));
        assertEquals(sessions * connectionsEach, proxy.sessions());
        Await.until("all to have left", BOUND, () -> proxy.openConnections() == 0);
    }

    private int reconnect(int id, int times) throws SQLException {
        for (int i = 0; i < times; i++) {
            try (Connection connection = Sql.begin(server, proxy.port())) {
                Sql.run(connection, "INSERT INTO t VALUES (" + id + ")");
                connection.commit();
            }
        }
        return times;
    }

    private static WireScript large(List<WireRequest> asked, WireAction action) {
        return new WireScript() {
            @Override
            public WireAction onRequest(WireRequest request) {
                return request.mentions("INSERT INTO t VALUES (1") ? action : WireAction.PASS;
            }

            @Override
            public WireAction onLargeMessage(WireRequest soFar) {
                asked.add(soFar);
                return action;
            }
        };
    }

    private static void insert(Connection connection, int size) throws SQLException {
        insert(connection, "INSERT INTO t VALUES (1, ?)", size);
    }

    private static void insert(Connection connection, String sql, int size) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setBinaryStream(1, new ByteArrayInputStream(new byte[size]), size);
            statement.execute();
        }
    }

    private WireRequest lastButOne() {
        List<WireRequest> all = proxy.recentRequests();
        return all.get(all.size() - 2);
    }
}
