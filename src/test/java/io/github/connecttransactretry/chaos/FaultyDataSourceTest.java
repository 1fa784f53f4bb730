package io.github.connecttransactretry.chaos;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Bench.Layout;
import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;

/** Each fault by itself, with plain JDBC: what the caller gets, and what is true on the server. */
class FaultyDataSourceTest {

    private static final String INSERT = "INSERT INTO done VALUES (1)";

    private static TestDatabase database;

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE done (what int)");
    }

    @AfterAll
    static void close() {
        database.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        database.execute("TRUNCATE done");
    }

    private Connection inserted(FaultyDataSource faulty) throws SQLException {
        Connection connection = faulty.getConnection();
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.execute(INSERT);
        }
        return connection;
    }

    @ParameterizedTest
    @EnumSource(CommitWay.class)
    void everyWayToSendACommitIsSeen(CommitWay way) throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.LOSE_ANSWER)) {
            Connection connection = inserted(faulty);
            assertLost(connection, () -> way.send(connection));
            assertEquals(1, database.count("done"), "it was done");
            assertEquals(List.of("COMMIT 1 on connection 1: LOSE_ANSWER (done)"), lines(faulty));
        }
    }

    @ParameterizedTest
    @EnumSource(CommitWay.class)
    void aCutCommitIsNeverSent(CommitWay way) throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.CUT_BEFORE)) {
            Connection connection = inserted(faulty);
            assertLost(connection, () -> way.send(connection));
            awaitNoTransaction();
            assertEquals(0, database.count("done"));
            assertEquals(List.of("COMMIT 1 on connection 1: CUT_BEFORE (not sent)"), lines(faulty));
        }
    }

    @ParameterizedTest
    @EnumSource(CommitWay.class)
    void aLateCommitIsDeliveredWhenAskedFor(CommitWay way) throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.DELIVER_LATE)) {
            Connection connection = inserted(faulty);
            assertLost(connection, () -> way.send(connection));
            assertEquals("1", transactions(), "the server still has it open");
            assertEquals(0, database.count("done"));
            assertEquals(List.of("COMMIT 1 on connection 1: DELIVER_LATE (not delivered yet)"), lines(faulty));
            assertEquals("delivered late: done", faulty.deliverLate().get(0).outcome());
            assertEquals(1, database.count("done"));
            assertEquals(List.of(), faulty.deliverLate());
        }
    }

    @Test
    void closingDeliversToo() throws SQLException {
        FaultyDataSource faulty = at(1, Fault.DELIVER_LATE);
        Connection connection = inserted(faulty);
        assertLost(connection, connection::commit);
        connection.close();
        faulty.close();
        assertEquals(1, database.count("done"));
        awaitNoTransaction();
    }

    @Test
    void aLateCommitIsInVainOnceItsBackendIsEnded() throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.DELIVER_LATE)) {
            Connection connection = inserted(faulty);
            assertLost(connection, connection::commit);
            database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'");
            awaitNoTransaction();
            String outcome = faulty.deliverLate().get(0).outcome();
            assertTrue(outcome.startsWith("delivered late: refused with 57P01"), outcome);
            assertEquals(0, database.count("done"));
        }
    }

    @Test
    void whatCommitsNothingIsNoCommit() throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.CUT_BEFORE); Connection connection = faulty.getConnection();
                Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            connection.commit();
            connection.setAutoCommit(true);
            statement.execute("SELECT '; COMMIT', 'it''s'; -- COMMIT");
            statement.execute("DO $$BEGIN PERFORM 1; END$$");
            statement.executeBatch();
            connection.setAutoCommit(false);
            statement.execute("SAVEPOINT a");
            connection.rollback();
            assertEquals(0, faulty.visits(Place.COMMIT));
            assertEquals(3, faulty.visits(Place.STATEMENT));
            assertEquals(1, faulty.visits(Place.CONNECT));
            assertEquals(List.of("COMMIT 1: CUT_BEFORE"), faulty.notReached());
        }
    }

    @Test
    void theNumberIsThatOfTheDataSourceAndATextNarrowsIt() throws SQLException {
        FaultPlan plan = FaultPlan.script().atCommit(3, Fault.LOSE_ANSWER).atCommit(2, "VALUES (7)", Fault.CUT_BEFORE);
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), plan)) {
            commit(faulty, "INSERT INTO done VALUES (7)");
            commit(faulty, INSERT);
            assertEquals(List.of(), faulty.done());
            assertThrows(SQLException.class, () -> commit(faulty, INSERT));
            commit(faulty, INSERT);
            assertThrows(SQLException.class, () -> commit(faulty, "INSERT INTO done VALUES (7)"));
            assertEquals(List.of("COMMIT 3 on connection 3: LOSE_ANSWER (done)", "COMMIT 5 on connection 5: CUT_BEFORE (not sent)"),
                    lines(faulty));
            awaitNoTransaction();
            assertEquals(4, database.count("done"));
            assertEquals(plan + ": connects=5 statements=5 commits=5 faults=2{COMMIT CUT_BEFORE=1, COMMIT LOSE_ANSWER=1} held=0",
                    faulty.toString());
        }
    }

    private static void commit(FaultyDataSource faulty, String sql) throws SQLException {
        try (Connection connection = faulty.getConnection(); Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute(sql);
            connection.commit();
        }
    }

    @Test
    void aLostAnswerHidesARefusalToo() throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.LOSE_ANSWER)) {
            Connection connection = inserted(faulty);
            try (Statement statement = connection.createStatement()) {
                assertThrows(SQLException.class, () -> statement.execute("SELECT 1 / 0"));
            }
            assertLost(connection, connection::commit);
            assertEquals("done in a transaction that had failed: rolled back", faulty.done().get(0).outcome());
            assertEquals(0, database.count("done"));
        }
    }

    @Test
    void dropsInTheBodyBeforeAndAfterTheStatement() throws SQLException {
        FaultPlan plan = FaultPlan.script().atStatement(2, Fault.CUT_BEFORE).atStatement(3, Fault.LOSE_ANSWER);
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), plan)) {
            Connection first = inserted(faulty);
            assertLost(first, () -> first.createStatement().execute(INSERT));
            Connection second = faulty.getConnection();
            assertLost(second, () -> second.createStatement().execute(INSERT));
            awaitNoTransaction();
            assertEquals(1, database.count("done"), "done in autocommit, though the answer was lost");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"40001", "40P01", "23505", "55P03", "57014", "P0001", "XX000"})
    void theServerItselfRaises(String sqlState) throws SQLException {
        FaultPlan plan = FaultPlan.script().atStatement(2, Fault.raise(sqlState));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), plan);
                Connection connection = inserted(faulty); Statement statement = connection.createStatement()) {
            PSQLException raised = assertThrows(PSQLException.class, () -> statement.execute(INSERT));
            assertEquals(sqlState, raised.getSQLState());
            assertEquals("ERROR", raised.getServerErrorMessage().getSeverity());
            assertEquals("25P02", assertThrows(SQLException.class, () -> statement.execute(INSERT)).getSQLState());
            connection.rollback();
            statement.execute(INSERT);
            connection.commit();
            assertEquals(1, database.count("done"));
            assertEquals(List.of("statement 2 on connection 1: raise " + sqlState + " (the server raised " + sqlState + ")"),
                    lines(faulty));
        }
    }

    @Test
    void raisedAtCommitTheTransactionIsRolledBackAndTheConnectionLives() throws SQLException {
        for (CommitWay way : List.of(CommitWay.METHOD, CommitWay.SQL, CommitWay.PREPARED)) {
            try (FaultyDataSource faulty = at(1, Fault.raise("40001")); Connection connection = inserted(faulty)) {
                assertEquals("40001", assertThrows(PSQLException.class, () -> way.send(connection)).getSQLState());
                assertFalse(connection.isClosed());
                connection.commit();
                assertEquals(0, database.count("done"));
            }
        }
    }

    @Test
    void adminShutdownIsFatal() throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.raise("57P01"))) {
            Connection connection = inserted(faulty);
            PSQLException raised = assertThrows(PSQLException.class, connection::commit);
            assertEquals("57P01", raised.getSQLState());
            assertEquals("FATAL", raised.getServerErrorMessage().getSeverity());
            assertTrue(connection.isClosed());
            assertEquals(0, database.count("done"));
        }
    }

    @Test
    void withSavepointsOfTheDriverTheTransactionLivesOn() throws SQLException {
        FaultPlan plan = FaultPlan.script().atStatement(2, Fault.raise("23505"));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain("autosave=always"), plan);
                Connection connection = inserted(faulty); Statement statement = connection.createStatement()) {
            assertThrows(PSQLException.class, () -> statement.execute(INSERT));
            statement.execute(INSERT);
            connection.commit();
            assertEquals(2, database.count("done"));
        }
    }

    @Test
    void silenceEndsAtTheNetworkTimeout() throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.SILENCE_AFTER)) {
            Connection connection = inserted(faulty);
            connection.setNetworkTimeout(Runnable::run, 50);
            SQLException lost = assertLost(connection, connection::commit);
            assertInstanceOf(SocketTimeoutException.class, lost.getCause());
            assertEquals(1, database.count("done"));
        }
    }

    @Test
    void silenceEndsAtItsOwnBoundAndTheServerRollsBack() throws SQLException {
        try (FaultyDataSource faulty = at(1, Fault.SILENCE_BEFORE.lasting(Duration.ofMillis(50)))) {
            Connection connection = inserted(faulty);
            assertLost(connection, connection::commit);
            awaitNoTransaction();
            assertEquals(0, database.count("done"));
        }
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void silenceEndsWithTheConnection(Layout layout) throws SQLException {
        FaultPlan plan = FaultPlan.script().atCommit(1, Fault.SILENCE_BEFORE);
        try (Bench bench = Bench.of(database, layout, "", plan); Connection connection = bench.top().getConnection()) {
            connection.setAutoCommit(false);
            connection.createStatement().execute(INSERT);
            CompletableFuture<SQLException> ending = CompletableFuture.supplyAsync(
                    () -> assertThrows(SQLException.class, connection::commit));
            Await.until("the silence to begin", Duration.ofSeconds(20), () -> bench.faulty().done().size() == 1);
            assertFalse(ending.isDone());
            connection.abort(Runnable::run);
            SQLException lost = ending.join();
            assertEquals("08006", lost.getSQLState());
            assertInstanceOf(SocketException.class, lost.getCause());
        }
    }

    @Test
    void connectsAreRefusedForATime() throws SQLException {
        ManualTime time = new ManualTime();
        FaultPlan plan = FaultPlan.script().refuseConnections(Duration.ofSeconds(2));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), plan, time::nanoTime)) {
            assertRefused(faulty);
            time.advance(Duration.ofMillis(1999));
            assertRefused(faulty);
            time.advance(Duration.ofMillis(1));
            faulty.getConnection().close();
            time.advance(Duration.ofDays(1));
            faulty.getConnection("postgres", "").close();
            assertEquals(List.of("connect 1: REFUSE then refusing for PT2S (nothing was opened)",
                    "connect 2: REFUSE (nothing was opened)"), lines(faulty));
        }
    }

    @Test
    void soManyConnectsAreRefused() throws SQLException {
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), FaultPlan.script().refuseConnections(2))) {
            assertRefused(faulty);
            assertRefused(faulty);
            faulty.getConnection().close();
        }
    }

    @Test
    void anOutageFollowsALoss() throws SQLException {
        ManualTime time = new ManualTime();
        FaultPlan plan = FaultPlan.script().atCommit(1, Fault.LOSE_ANSWER.thenRefusing(Duration.ofSeconds(2)));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), plan, time::nanoTime)) {
            Connection living = faulty.getConnection();
            Connection connection = inserted(faulty);
            assertLost(connection, connection::commit);
            assertRefused(faulty);
            assertTrue(living.isValid(5), "what lives is left alone");
            time.advance(Duration.ofSeconds(2));
            faulty.getConnection().close();
            living.close();
        }
    }

    private static void assertRefused(FaultyDataSource faulty) {
        assertEquals("08001", assertThrows(SQLException.class, faulty::getConnection).getSQLState());
    }

    /** What a pool would do after a loss by pgjdbc itself: no dead connection is handed out again. */
    @ParameterizedTest
    @EnumSource(value = Layout.class, names = {"BELOW_POOL", "ABOVE_POOL"})
    void poolsThrowTheLostConnectionAway(Layout layout) throws SQLException {
        for (Fault fault : List.of(Fault.CUT_BEFORE, Fault.LOSE_ANSWER, Fault.DELIVER_LATE, Fault.raise("57P01"),
                Fault.SILENCE_AFTER.lasting(Duration.ofMillis(20)))) {
            try (Bench bench = Bench.of(database, layout, "", FaultPlan.script().atCommit(1, fault))) {
                int first;
                try (Connection connection = bench.top().getConnection()) {
                    first = pid(connection);
                    connection.setAutoCommit(false);
                    connection.createStatement().execute(INSERT);
                    assertThrows(SQLException.class, connection::commit);
                }
                bench.faulty().deliverLate();
                try (Connection next = bench.top().getConnection(); Connection other = bench.top().getConnection()) {
                    assertNotEquals(first, pid(next), fault::toString);
                    assertNotEquals(first, pid(other), fault::toString);
                    next.createStatement().execute("SELECT 1");
                }
            }
        }
    }

    private static int pid(Connection connection) throws SQLException {
        return connection.unwrap(PGConnection.class).getBackendPID();
    }

    private static FaultyDataSource at(int commit, Fault fault) {
        return FaultyDataSource.wrap(database.plain(""), FaultPlan.script().atCommit(commit, fault));
    }

    private static List<String> lines(FaultyDataSource faulty) {
        return faulty.done().stream().map(FaultDone::toString).toList();
    }

    private static SQLException assertLost(Connection connection, org.junit.jupiter.api.function.Executable action)
            throws SQLException {
        SQLException lost = assertThrows(SQLException.class, action);
        assertEquals("08006", lost.getSQLState());
        assertTrue(connection.isClosed());
        assertFalse(connection.isValid(1));
        assertEquals("08003", assertThrows(SQLException.class, connection::createStatement).getSQLState());
        assertEquals("08003", assertThrows(SQLException.class, connection::rollback).getSQLState());
        connection.close();
        return lost;
    }

    private static String transactions() throws SQLException {
        return database.ask("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
    }

    private static void awaitNoTransaction() {
        Await.until("the lost transaction to end", Duration.ofSeconds(20), () -> transactions().equals("0"));
    }
}
