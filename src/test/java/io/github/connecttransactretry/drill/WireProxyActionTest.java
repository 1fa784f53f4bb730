package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
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

/** What each action does to a COMMIT, as the client sees it and as the server knows it. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class WireProxyActionTest {

    private static final Duration BOUND = Duration.ofSeconds(30);
    private static final int PATIENCE_MILLIS = 400;

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
    void open() throws SQLException {
        Sql.run(server, "DROP TABLE IF EXISTS t");
        Sql.run(server, "CREATE TABLE t (id int PRIMARY KEY)");
        proxy = WireProxy.to(server.port());
    }

    @AfterEach
    void close() {
        proxy.close();
        Await.until("the end of all backends of this test", BOUND, () -> backends() == 0);
    }

    @Test
    void passChangesNothing() throws SQLException {
        try (Connection connection = insert()) {
            connection.commit();
        }
        assertEquals(1, rows());
        assertEquals(List.of("BEGIN", "INSERT INTO t VALUES (1)"), lastRequest(1).statements());
        assertTrue(lastRequest(1).startsTransaction());
        assertTrue(lastRequest(0).isCommit());
    }

    @Test
    void cutBeforeCommitsNothing() throws SQLException {
        Connection connection = insert();
        script(WireAction.CUT_BEFORE);

        assertLost(connection);

        awaitBackends(0);
        assertEquals(0, rows());
        assertEquals(0, proxy.openConnections());
    }

    @Test
    void cutAfterHasCommitted() throws SQLException {
        Connection connection = insert();
        script(WireAction.CUT_AFTER);

        assertLost(connection);

        assertEquals(1, rows());
        awaitBackends(0);
        assertEquals(0, proxy.openConnections());
    }

    @Test
    void aHeldCommitArrivesAfterItsClientHasGone() throws SQLException {
        Connection connection = insert();
        String id = Sql.value(connection, "SELECT pg_current_xact_id()");
        script(WireAction.HOLD_AND_CUT);

        assertLost(connection);
        assertEquals("in progress", status(id));
        assertEquals(1, proxy.heldCount());

        List<HeldRequest> released = proxy.releaseHeld();

        assertEquals(Optional.of("COMMIT"), released.get(0).outcome());
        assertTrue(released.get(0).request().isCommit());
        assertEquals("committed", status(id));
        assertEquals(1, rows());
        assertEquals(0, proxy.heldCount());
        awaitBackends(0);
    }

    @Test
    void aHeldCommitFailsWhenItsBackendWasTerminated() throws SQLException {
        Connection connection = insert();
        String id = Sql.value(connection, "SELECT pg_current_xact_id()");
        script(WireAction.HOLD_AND_CUT);
        assertLost(connection);

        Sql.run(server, "SELECT pg_terminate_backend(" + lastRequest(0).pid() + ")");
        Await.until("the end of the transaction", BOUND, () -> status(id).equals("aborted"));

        assertEquals(Optional.of("FATAL 57P01; connection ended"), proxy.releaseHeld().get(0).outcome());
        assertEquals(0, rows());
    }

    @Test
    void cuttingAllKeepsWhatIsHeldDeliverable() throws SQLException {
        Connection connection = insert();
        script(WireAction.BLACK_HOLE_BEFORE);
        assertTimesOut(connection);
        Connection second = Sql.begin(server, proxy.port());
        Sql.run(second, "INSERT INTO t VALUES (2)");
        script(WireAction.HOLD_AND_CUT);
        assertLost(second);

        proxy.cutAll();

        assertEquals(List.of("COMMIT -> COMMIT", "COMMIT -> COMMIT"),
                proxy.releaseHeld().stream().map(held -> held.request().statements().get(0) + " -> " + held.outcome().get()).toList());
        assertEquals(2, rows());
        awaitBackends(0);
    }

    @Test
    void aHeldInsertWithCommitFailsOnTheKeyThatWasTakenMeanwhile() throws SQLException {
        proxy.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        try (Connection connection = Sql.begin(server, proxy.port())) {
            assertThrows(SQLException.class, () -> Sql.run(connection, "INSERT INTO t VALUES (1); COMMIT"));
        }
        Sql.run(server, "INSERT INTO t VALUES (1)");

        HeldRequest held = proxy.releaseHeld().get(0);

        assertEquals(List.of("BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"), held.request().statements());
        assertEquals(Optional.of("BEGIN; ERROR 23505"), held.outcome());
        assertEquals(1, rows());
    }

    @Test
    void aBlackHoleBeforeKeepsTheTransactionOpenAndCanStillDeliver() throws SQLException {
        Connection connection = insert();
        String id = Sql.value(connection, "SELECT pg_current_xact_id()");
        script(WireAction.BLACK_HOLE_BEFORE);

        assertTimesOut(connection);
        assertEquals("in progress", status(id));

        assertEquals(Optional.of("COMMIT"), proxy.releaseHeld().get(0).outcome());
        assertEquals("committed", status(id));
        assertEquals(1, rows());
    }

    @Test
    void aBlackHoleBeforeThatIsNeverReleasedCommitsNothing() throws SQLException {
        Connection connection = insert();
        script(WireAction.BLACK_HOLE_BEFORE);
        assertTimesOut(connection);

        proxy.close();

        awaitBackends(0);
        assertEquals(0, rows());
    }

    @Test
    void aBlackHoleAfterHasCommitted() throws SQLException {
        Connection connection = insert();
        script(WireAction.BLACK_HOLE_AFTER);

        assertTimesOut(connection);

        assertEquals(1, rows());
        // Nothing has told the server that its client gave up.
        awaitBackends(1);
    }

    @ParameterizedTest
    @EnumSource(names = {"BLACK_HOLE_BEFORE", "BLACK_HOLE_AFTER"})
    void theClientOfABlackHoleStaysConnectedAndIsNotHeard(WireAction action) throws Exception {
        Connection connection = insert();
        connection.setNetworkTimeout(Runnable::run, 0);
        script(action);
        CompletableFuture<Void> commit = CompletableFuture.runAsync(() -> commit(connection));
        Await.until("the commit", BOUND, () -> lastRequest(0).isCommit());

        assertThrows(TimeoutException.class, () -> commit.get(PATIENCE_MILLIS, TimeUnit.MILLISECONDS));
        assertEquals(1, proxy.openConnections());
        // What else the client may say, here a farewell, goes nowhere.
        connection.abort(Runnable::run);
        Await.until("the hang-up of the client", BOUND, () -> proxy.openConnections() == 0);
        awaitBackends(1);
    }

    @ParameterizedTest
    @EnumSource(names = {"BLACK_HOLE_BEFORE", "BLACK_HOLE_AFTER"})
    void theClientOfABlackHoleDoesNotHearOfTheEndOfItsBackend(WireAction action) throws Exception {
        script(action);
        try (RawClient client = new RawClient(proxy.port())) {
            client.send(RawClient.message('Q', "BEGIN; INSERT INTO t VALUES (1)\0"));
            assertEquals("CCZ", client.answersUntil('Z'));
            client.send(RawClient.message('Q', "COMMIT\0"));
            Await.until("the commit", BOUND, () -> proxy.heldCount() == 1 || rows() == 1);

            Sql.run(server, "SELECT pg_terminate_backend(" + lastRequest(0).pid() + ")");
            awaitBackends(0);

            assertTrue(client.hearsNothingFor(PATIENCE_MILLIS));
            assertEquals(1, proxy.openConnections());
        }
    }

    @Test
    void aStallForwardsNothing() throws SQLException {
        Connection connection = insert();
        script(WireAction.STALL);

        assertTimesOut(connection);

        assertEquals(0, rows());
        awaitBackends(1);
    }

    @Test
    void trickleAnswersOneByteAtATime() throws SQLException {
        Connection connection = insert();
        // CommandComplete "COMMIT" has 12 bytes, ReadyForQuery 6, and before them come a few small ones.
        proxy.trickleInterval(Duration.ofMillis(20));
        script(WireAction.TRICKLE);
        connection.setNetworkTimeout(Runnable::run, 200);
        long begun = System.nanoTime();

        connection.commit();

        long millis = (System.nanoTime() - begun) / 1_000_000;
        assertTrue(millis >= 18 * 20, "took " + millis + " ms");
        assertEquals(1, rows());
        connection.close();
    }

    @Test
    void aNamedPreparedCommitIsRecognised() throws SQLException {
        try (Connection connection = Sql.begin(server, proxy.port())) {
            for (int i = 1; i <= 8; i++) {
                Sql.run(connection, "INSERT INTO t VALUES (" + i + ")");
                connection.commit();
            }
            assertEquals(1, Sql.number(connection, "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'COMMIT'"));
            connection.commit();
            Sql.run(connection, "INSERT INTO t VALUES (100)");
            script(WireAction.CUT_BEFORE);

            assertLost(connection);
        }
        assertEquals(8, rows());
    }

    @Test
    void onlyTheChosenRequestIsHit() throws SQLException {
        proxy.script(WireScript.nth(2, WireRequest::isCommit, WireAction.CUT_BEFORE));
        try (Connection first = insert()) {
            first.commit();
            Sql.run(first, "INSERT INTO t VALUES (2)");
            assertLost(first);
        }
        try (Connection third = Sql.begin(server, proxy.port())) {
            Sql.run(third, "INSERT INTO t VALUES (3)");
            third.commit();
        }
        assertEquals(2, rows());
    }

    @Test
    void aScriptMayBlock() throws Exception {
        CountDownLatch reached = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        Connection connection = insert();
        proxy.script(request -> {
            reached.countDown();
            await(goOn);
            return WireAction.PASS;
        });
        CompletableFuture<Void> commit = CompletableFuture.runAsync(() -> commit(connection));
        assertTrue(reached.await(30, TimeUnit.SECONDS));
        assertEquals(0, rows());
        assertFalse(commit.isDone());

        goOn.countDown();

        commit.get(30, TimeUnit.SECONDS);
        assertEquals(1, rows());
        connection.close();
    }

    @Test
    void aScriptThatFailsCutsItsSession() throws SQLException {
        Connection connection = insert();
        proxy.script(request -> {
            throw new IllegalStateException("a mistake in the script");
        });

        assertLost(connection);

        awaitBackends(0);
        assertEquals(0, rows());
    }

    private Connection insert() throws SQLException {
        Connection connection = Sql.begin(server, proxy.port());
        Sql.run(connection, "INSERT INTO t VALUES (1)");
        return connection;
    }

    private void script(WireAction onCommit) {
        proxy.script(WireScript.once(WireRequest::isCommit, onCommit));
    }

    private static void assertLost(Connection connection) throws SQLException {
        SQLException lost = assertThrows(SQLException.class, connection::commit);
        assertEquals("08006", lost.getSQLState());
        assertFalse(lost.getCause() instanceof SocketTimeoutException);
        assertTrue(connection.isClosed());
    }

    private static void assertTimesOut(Connection connection) throws SQLException {
        connection.setNetworkTimeout(Runnable::run, PATIENCE_MILLIS);
        SQLException lost = assertThrows(SQLException.class, connection::commit);
        assertEquals("08006", lost.getSQLState());
        assertTrue(lost.getCause() instanceof SocketTimeoutException, String.valueOf(lost.getCause()));
    }

    private static void commit(Connection connection) {
        try {
            connection.commit();
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private WireRequest lastRequest(int back) {
        List<WireRequest> all = proxy.recentRequests();
        return all.get(all.size() - 1 - back);
    }

    private static String status(String id) throws SQLException {
        return Sql.value(server, "SELECT pg_xact_status('" + id + "'::xid8)");
    }

    private static int rows() throws SQLException {
        try (Connection connection = server.connect()) {
            return Sql.number(connection, "SELECT count(*) FROM t");
        }
    }

    private static int backends() throws SQLException {
        try (Connection connection = server.connect()) {
            return Sql.number(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                    + " AND pid <> pg_backend_pid()");
        }
    }

    private static void awaitBackends(int count) {
        Await.until(count + " client backends", BOUND, () -> backends() == count);
    }
}
