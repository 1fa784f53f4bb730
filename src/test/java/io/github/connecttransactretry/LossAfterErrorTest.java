package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.outcome.BackendFence;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/**
 * The error that reaches the engine is the server's, and not the one that says that the connection was lost after it: the
 * backend is there still, with the row locks of its transaction.
 */
class LossAfterErrorTest {

    private static final Duration BOUND = Duration.ofSeconds(20);

    private static PostgresServer server;
    private final RecordedEvents events = new RecordedEvents();

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect()) {
            execute(connection, "CREATE TABLE counter (id int PRIMARY KEY, n int)");
            execute(connection, "INSERT INTO counter VALUES (1, 0)");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @Test
    void aPermanentErrorFreesTheRowsAfterTheCall() throws SQLException {
        AtomicReference<SQLException> duplicate = new AtomicReference<>();
        AtomicInteger zombie = new AtomicInteger();
        try (WireProxy proxy = silencing(); ConnectTransactRetry engine = builder(proxy).build()) {
            Caller<Integer> caller = Caller.start(() -> engine.run(TransactionOptions.defaults().withTimeout(BOUND), tx -> {
                zombie.set(tx.connection().unwrap(PGConnection.class).getBackendPID());
                duplicate.set(loseAfterADuplicate(tx.connection()));
                throw duplicate.get();
            }));
            Throwable thrown = caller.ending().thrown();
            assertSame(duplicate.get(), thrown);
            assertEquals("23505", duplicate.get().getSQLState());
            Await.until("the backend to be ended", BOUND, () -> !lives(zombie.get()) && !events.of(Fenced.class).isEmpty());
            assertFencedOnce();
        }
        assertRowIsFree();
    }

    /** Retried by opting in: the next attempt updates the row that the lost one holds. */
    @Test
    void aRetriedErrorFreesTheRowsBeforeTheNextAttempt() throws SQLException {
        try (WireProxy proxy = silencing(); ConnectTransactRetry engine = builder(proxy)
                .classifier(PostgresClassifier.standard().alsoRetrying("23505")).build()) {
            Caller<Integer> caller = Caller.start(() -> engine.run(TransactionOptions.serializable().withTimeout(BOUND), tx -> {
                if (tx.attempt() == 1) {
                    throw loseAfterADuplicate(tx.connection());
                }
                execute(tx.connection(), "SET LOCAL lock_timeout = '5s'");
                execute(tx.connection(), "UPDATE counter SET n = n + 1 WHERE id = 1");
                return tx.attempt();
            }));
            assertEquals(2, caller.ending().returned());
            assertFencedOnce();
        }
        assertRowIsFree();
    }

    private ConnectTransactRetryBuilder builder(WireProxy proxy) {
        return ConnectTransactRetry.builder(Pools.plain(server, proxy.port())).listener(events);
    }

    private static WireProxy silencing() {
        WireProxy proxy = WireProxy.to(server.port());
        proxy.script(WireScript.once(request -> request.mentions("then silence"), WireAction.BLACK_HOLE_BEFORE));
        return proxy;
    }

    /** Holds the row, is told of a duplicate, goes on, and is heard no more; what it was told of. */
    private static SQLException loseAfterADuplicate(Connection connection) throws SQLException {
        execute(connection, "UPDATE counter SET n = n + 1 WHERE id = 1");
        Savepoint before = connection.setSavepoint();
        SQLException duplicate =
                assertThrows(SQLException.class, () -> execute(connection, "INSERT INTO counter VALUES (1, 0)"));
        connection.rollback(before);
        connection.setNetworkTimeout(Runnable::run, 300);
        SQLException lost = assertThrows(SQLException.class, () -> execute(connection, "SELECT 'then silence'"));
        assertTrue(lost.getSQLState().startsWith("08"), lost::getSQLState);
        return duplicate;
    }

    private void assertFencedOnce() {
        assertEquals(List.of(BackendFence.Result.TERMINATED), events.of(Fenced.class).stream().map(Fenced::result).toList());
    }

    private static void assertRowIsFree() throws SQLException {
        try (Connection connection = server.connect()) {
            execute(connection, "SELECT 1 FROM counter WHERE id = 1 FOR UPDATE NOWAIT");
        }
    }

    private static boolean lives(int pid) throws SQLException {
        try (Connection connection = server.connect(); ResultSet row = connection.createStatement()
                .executeQuery("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid)) {
            row.next();
            return row.getInt(1) == 1;
        }
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
