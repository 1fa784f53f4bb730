package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.Starvation;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever fails, a call is over one second after its deadline at the latest, and leaves nothing behind. */
class DeadlineTest {

    private static final Duration DEADLINE = Duration.ofSeconds(1);
    private static final Duration MOST_OVERRUN = Duration.ofSeconds(1);
    private static final int LARGE = 64 << 20;

    private static PostgresServer server;
    private WireProxy proxy;
    private Leaks leaks;
    private Starvation starvation;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect()) {
            connection.createStatement().execute("CREATE TABLE heap (id int PRIMARY KEY, content bytea);"
                    + " INSERT INTO heap VALUES (1, '')");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @BeforeEach
    void watch() {
        proxy = WireProxy.to(server.port());
        leaks = Leaks.watch(server);
        starvation = Starvation.begin();
    }

    @AfterEach
    void closeProxy() {
        starvation.close();
        proxy.close();
    }

    /** No network timeout bounds a write. */
    @Test
    void aStalledWrite() {
        proxy.script(new WireScript() {
            @Override
            public WireAction onRequest(WireRequest request) {
                return WireAction.PASS;
            }

            @Override
            public WireAction onLargeMessage(WireRequest soFar) {
                return WireAction.STALL;
            }
        });
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 2)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            overdue("stalled write of 64 MB", engine, tx -> {
                tx.connection().createStatement().execute("UPDATE heap SET content = '' WHERE id = 1");
                try (PreparedStatement update = tx.connection().prepareStatement("UPDATE heap SET content = ? WHERE id = 1")) {
                    update.setBytes(1, new byte[LARGE]);
                    update.executeUpdate();
                }
            });
            // The proxy does not tell the server that its client has gone: the engine's own fence ends the transaction.
            leaks.assertNone(engine, pool);
        }
    }

    /** The network timeout starts anew with every byte. */
    @Test
    void aTrickledRead() {
        proxy.script(WireScript.every(request -> request.mentions("trickles"), WireAction.TRICKLE));
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 2)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            overdue("trickled read", engine, tx ->
                    tx.connection().createStatement().executeQuery("SELECT 'trickles', repeat('x', 10000)"));
            leaks.assertNone(engine, pool);
        }
    }

    /** HikariCP alone would wait for 30 s. */
    @Test
    void anExhaustedPool() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 1)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            Connection taken = pool.getConnection();
            Duration deadline = Duration.ofSeconds(2);
            Caller.Ending<Object> ending = call(engine, deadline, tx -> { });
            assertInTime("exhausted pool", deadline, ending);
            assertInstanceOf(DeadlineExceededException.class, ending.thrown());
            taken.close();
            leaks.assertNone(engine, pool);
        }
    }

    /** A pool that is quicker than the deadline is waited for on the caller's own thread, again and again. */
    @Test
    void anExhaustedPoolThatIsQuickerThanTheDeadline() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 1, config -> {
            config.setConnectionTimeout(250);
            config.setValidationTimeout(250);
        })) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            Connection taken = pool.getConnection();
            DeadlineExceededException thrown = overdue("exhausted quick pool", engine, tx -> { });
            assertEquals(Verdict.SATURATION, thrown.failures().get(0).verdict());
            assertTrue(thrown.failures().size() > 1, () -> "went again: " + thrown.failures());
            taken.close();
            leaks.assertNone(engine, pool);
        }
    }

    @Test
    void aBlackHoleWhereTheServerWas() {
        proxy.silentOnConnect(true);
        ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(server, proxy.port())).build();
        overdue("black-holed connect, DriverManager", engine, tx -> { });
        assertEquals(1, proxy.openConnections(), "the login hangs in the driver");
        proxy.cutAll();
        leaks.assertNone(engine, null);
    }

    @Test
    void aBlackHoleBehindAPool() {
        proxy.silentOnConnect(true);
        try (HikariDataSource pool = Pools.lazyHikari(server, proxy.port(), 2)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            overdue("black-holed connect, HikariCP", engine, tx -> { });
            proxy.silentOnConnect(false);
            proxy.cutAll();
            leaks.assertNoneBusy();
            engine.close();
            leaks.assertThreadsEnded();
        }
    }

    /** The first thing that is asked on it, what the session is like, has no answer. */
    @Test
    void aPooledConnectionThatIsSilentAlready() {
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 1)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            proxy.silentOnConnect(true);
            proxy.silenceAll();
            overdue("pooled connection silent", engine, tx -> { });
            proxy.silentOnConnect(false);
            proxy.cutAll();
            leaks.assertNone(engine, pool);
        }
    }

    @Test
    void aServerThatIsNotThere() throws IOException {
        int nobody;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            nobody = free.getLocalPort();
        }
        ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(server, nobody)).build();
        DeadlineExceededException thrown = overdue("refused connect, DriverManager", engine, tx -> { });
        assertTrue(thrown.failures().size() > 2, () -> "went again until the deadline: " + thrown.failures());
        leaks.assertNone(engine, null);
    }

    @Test
    void aServerThatIsNotThereBehindAPool() {
        proxy.refuse(true);
        try (HikariDataSource pool = Pools.lazyHikari(server, proxy.port(), 2)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            overdue("refused connect, HikariCP", engine, tx -> { });
            leaks.assertNone(engine, null);
        }
    }

    @Test
    void aRollbackIntoABlackHole() {
        proxy.script(WireScript.once(request -> request.mentions("ROLLBACK"), WireAction.BLACK_HOLE_BEFORE));
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 2)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            Caller.Ending<Object> ending = call(engine, DEADLINE, tx -> {
                tx.connection().createStatement().execute("UPDATE heap SET content = '' WHERE id = 1");
                throw new IllegalStateException("the function's own");
            });
            assertInTime("rollback into a black hole", DEADLINE, ending);
            assertEquals("the function's own", assertInstanceOf(IllegalStateException.class, ending.thrown()).getMessage());
            leaks.assertNone(engine, pool);
        }
    }

    /** COMMIT is sent, and from then on everything is silent: that nothing was committed must not be said. */
    @Test
    void aCommitWithNobodyLeftToAsk() {
        proxy.script(request -> {
            if (request.isCommit()) {
                proxy.silentOnConnect(true);
                return WireAction.BLACK_HOLE_AFTER;
            }
            return WireAction.PASS;
        });
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 1)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            Caller.Ending<Object> ending = call(engine, DEADLINE, tx ->
                    tx.connection().createStatement().execute("UPDATE heap SET content = '' WHERE id = 1"));
            assertInTime("COMMIT, then silence everywhere", DEADLINE, ending);
            CommitOutcomeUnknownException thrown = assertInstanceOf(CommitOutcomeUnknownException.class, ending.thrown());
            assertTrue(thrown.evidence().isPresent());
            proxy.silentOnConnect(false);
            proxy.cutAll();
            leaks.assertNone(engine, pool);
        }
    }

    /** The way to the server is open, and the question falls into a hole of its own, or its answer never ends. */
    @ParameterizedTest
    @EnumSource(names = {"BLACK_HOLE_AFTER", "TRICKLE"})
    void aCommitWhoseQuestionIsNotAnswered(WireAction fate) {
        proxy.script(request -> request.isCommit() ? WireAction.CUT_AFTER
                : request.mentions("pg_xact_status") ? fate : WireAction.PASS);
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 1)) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
            Caller.Ending<Object> ending = call(engine, DEADLINE, tx ->
                    tx.connection().createStatement().execute("UPDATE heap SET content = '' WHERE id = 1"));
            assertInTime("COMMIT, then a question, " + fate, DEADLINE, ending);
            assertInstanceOf(CommitOutcomeUnknownException.class, ending.thrown());
            proxy.cutAll();
            leaks.assertNone(engine, pool);
        }
    }

    private static Caller.Ending<Object> call(ConnectTransactRetry engine, Duration deadline,
                                               TransactionalAction<SQLException> action) {
        return Caller.start(() -> {
            engine.execute(TransactionOptions.defaults().withTimeout(deadline), action);
            return null;
        }).ending();
    }

    private DeadlineExceededException overdue(String what, ConnectTransactRetry engine,
                                                     TransactionalAction<SQLException> action) {
        Caller.Ending<Object> ending = call(engine, DEADLINE, action);
        assertInTime(what, DEADLINE, ending);
        return assertInstanceOf(DeadlineExceededException.class, ending.thrown());
    }

    private void assertInTime(String what, Duration deadline, Caller.Ending<?> ending) {
        Duration starved = starvation.soFar();
        System.out.printf("%-36s deadline %d ms, overrun %d ms (machine stood still for %d ms): %s%n", what, deadline.toMillis(),
                ending.took().minus(deadline).toMillis(), starved.toMillis(), ending.thrown());
        assertTrue(ending.took().compareTo(deadline.plus(MOST_OVERRUN).plus(starved)) <= 0, () -> "took " + ending.took());
    }
}
