package io.github.connecttransactretry.chaos;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Bench.Layout;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.io.StringReader;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import org.h2.jdbcx.JdbcDataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.copy.CopyManager;
import org.postgresql.core.BaseConnection;
import org.postgresql.ds.PGSimpleDataSource;
import org.postgresql.jdbc.PgConnection;

/** While nothing goes wrong a connection with faults is like one without. */
class WrappedConnectionTest {

    private static TestDatabase database;

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE thing (id int PRIMARY KEY, tags text[])",
                "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'");
    }

    @AfterAll
    static void close() {
        database.close();
    }

    private static Bench bench(Layout layout) {
        return Bench.of(database, layout, "", FaultPlan.script());
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void unwrapsToTheDriversConnection(Layout layout) throws SQLException {
        try (Bench bench = bench(layout); Connection connection = bench.top().getConnection()) {
            for (Class<?> type : List.of(Connection.class, PGConnection.class, BaseConnection.class, PgConnection.class)) {
                assertTrue(connection.isWrapperFor(type), type::getName);
                assertInstanceOf(type, connection.unwrap(type));
            }
            assertSame(connection.unwrap(BaseConnection.class), connection.unwrap(BaseConnection.class));
            assertEquals(connection.unwrap(PgConnection.class).getBackendPID(), connection.unwrap(PGConnection.class).getBackendPID());
            assertFalse(connection.isWrapperFor(Comparable.class));
            assertThrows(SQLException.class, () -> connection.unwrap(Comparable.class));
        }
    }

    /** Facts that an engine keeps of a connection are kept under the driver's. */
    @Test
    void theDriversConnectionIsTheSameEachTimeAPoolBelowHandsItOut() throws SQLException {
        try (Bench bench = bench(Layout.ABOVE_POOL)) {
            Connection driver;
            try (Connection connection = bench.top().getConnection()) {
                driver = connection.unwrap(BaseConnection.class);
            }
            try (Connection again = bench.top().getConnection()) {
                assertSame(driver, again.unwrap(BaseConnection.class));
                assertNotEquals(driver, again);
            }
            assertTrue(bench.faulty().isWrapperFor(HikariDataSource.class));
            assertInstanceOf(HikariDataSource.class, bench.faulty().unwrap(HikariDataSource.class));
        }
        try (Bench bench = bench(Layout.PLAIN)) {
            assertInstanceOf(PGSimpleDataSource.class, bench.faulty().unwrap(PGSimpleDataSource.class));
            assertSame(bench.faulty(), bench.faulty().unwrap(FaultyDataSource.class));
        }
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void statementsLeadBackToTheirConnection(Layout layout) throws SQLException {
        try (Bench bench = bench(layout); Connection connection = bench.top().getConnection()) {
            try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery("SELECT 1")) {
                assertSame(connection, statement.getConnection());
                assertSame(statement, row.getStatement());
                assertSame(connection, row.getStatement().getConnection());
            }
            try (PreparedStatement prepared = connection.prepareStatement("SELECT 1")) {
                assertSame(connection, prepared.getConnection());
                assertFalse(CallableStatement.class.isInstance(prepared));
                assertInstanceOf(PGStatement.class, prepared.unwrap(PGStatement.class));
            }
            try (ResultSet tables = connection.getMetaData().getTables(null, "public", "thing", null)) {
                assertSame(connection, connection.getMetaData().getConnection());
                assertTrue(tables.next());
                assertSame(connection, tables.getStatement().getConnection());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void allKindsOfStatementsWork(Layout layout) throws SQLException {
        try (Bench bench = bench(layout); Connection connection = bench.top().getConnection()) {
            connection.createStatement().execute("TRUNCATE thing");
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO thing VALUES (?, ?)", new String[] {"id"})) {
                insert.setInt(1, 1);
                insert.setArray(2, connection.createArrayOf("text", new String[] {"a", "b"}));
                assertEquals(1, insert.executeUpdate());
                try (ResultSet keys = insert.getGeneratedKeys()) {
                    assertTrue(keys.next());
                    assertEquals(1, keys.getInt(1));
                }
                for (int id = 2; id <= 3; id++) {
                    insert.setInt(1, id);
                    insert.setNull(2, Types.ARRAY);
                    insert.addBatch();
                }
                assertArrayEquals(new int[] {1, 1}, insert.executeBatch());
            }
            try (Statement batch = connection.createStatement()) {
                batch.addBatch("INSERT INTO thing VALUES (4, NULL)");
                batch.clearBatch();
                batch.addBatch("INSERT INTO thing VALUES (5, NULL)");
                assertArrayEquals(new int[] {1}, batch.executeBatch());
            }
            try (CallableStatement call = connection.prepareCall("{? = call twice(?)}")) {
                call.registerOutParameter(1, Types.INTEGER);
                call.setInt(2, 21);
                call.execute();
                assertEquals(42, call.getInt(1));
            }
            try (Statement scrolled = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
                    ResultSet rows = scrolled.executeQuery("SELECT id, tags FROM thing ORDER BY id")) {
                assertTrue(rows.last());
                assertEquals(5, rows.getInt("id"));
                rows.updateInt("id", 6);
                rows.updateRow();
                assertTrue(rows.first());
                assertArrayEquals(new String[] {"a", "b"}, (String[]) rows.getArray(2).getArray());
            }
            assertEquals("1,2,3,6", database.ask("SELECT string_agg(id::text, ',' ORDER BY id) FROM thing"));
        }
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void transactionsSavepointsAndCopyWork(Layout layout) throws Exception {
        try (Bench bench = bench(layout); Connection connection = bench.top().getConnection()) {
            connection.createStatement().execute("TRUNCATE thing");
            connection.setAutoCommit(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            CopyManager copy = new CopyManager(connection.unwrap(BaseConnection.class));
            assertEquals(2, copy.copyIn("COPY thing (id) FROM STDIN", new StringReader("1\n2\n")));
            Savepoint savepoint = connection.setSavepoint();
            connection.createStatement().execute("DELETE FROM thing");
            connection.rollback(savepoint);
            connection.commit();
            assertEquals(2, database.count("thing"));
            connection.createStatement().execute("DELETE FROM thing");
            connection.rollback();
            assertEquals(2, database.count("thing"));
            SQLException wrong = assertThrows(SQLException.class, () -> connection.createStatement().execute("SELECT 1 / 0"));
            assertEquals("22012", wrong.getSQLState());
            connection.rollback();
            assertEquals(1, bench.faulty().visits(Place.COMMIT));
        }
    }

    @ParameterizedTest
    @EnumSource(Layout.class)
    void aClosedOneIsClosed(Layout layout) throws SQLException {
        try (Bench bench = bench(layout)) {
            Connection connection = bench.top().getConnection();
            Connection other = bench.top().getConnection();
            assertTrue(connection.isValid(5));
            assertFalse(connection.isClosed());
            assertNotSame(connection, other);
            assertNotEquals(connection, other);
            assertEquals(connection, connection);
            assertEquals(connection.hashCode(), connection.hashCode());
            assertFalse(connection.toString().isEmpty());
            connection.close();
            connection.close();
            assertTrue(connection.isClosed());
            assertThrows(SQLException.class, connection::createStatement);
            assertTrue(other.isValid(5));
            other.close();
        }
    }

    /** Long trials make many of them. */
    @Test
    void nothingIsKeptOfConnectionsThatAreOver() throws SQLException {
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), FaultPlan.seeded(1).atCommits(1, Fault.DELIVER_LATE))) {
            for (int late = 0; late < 3; late++) {
                try (Connection connection = faulty.getConnection()) {
                    connection.setAutoCommit(false);
                    connection.createStatement().execute("SELECT 1");
                    assertThrows(SQLException.class, connection::commit);
                }
                assertEquals(1, faulty.deliverLate().size());
            }
            faulty.getConnection().close();
            assertEquals(1, faulty.connectionsKept());
        }
    }

    @Test
    void aForeignDriverIsRefused() {
        JdbcDataSource h2 = new JdbcDataSource();
        h2.setURL("jdbc:h2:mem:foreign");
        try (FaultyDataSource faulty = FaultyDataSource.wrap(h2, FaultPlan.script())) {
            String message = assertThrows(SQLException.class, faulty::getConnection).getMessage();
            assertTrue(message.contains("org.h2") && message.contains("wrap a DataSource of PostgreSQL connections"), message);
        }
    }
}
