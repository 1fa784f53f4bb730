package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.sql.Array;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.core.BaseConnection;

/** The connection that the function gets, on a pooled and on a plain one. */
class ConnectionGuardTest {

    private static TestDatabase database;
    private static HikariDataSource pool;

    private final List<DataSource> sources = List.of(pool, database.plain(""));

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(what text)");
        pool = database.pool(1, "");
    }

    @AfterAll
    static void stop() {
        pool.close();
        database.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        database.execute("TRUNCATE effect");
    }

    private static final List<String> ENDINGS = List.of("commit()", "rollback()", "setAutoCommit()", "setAutoCommit() ", "abort()",
            "setTransactionIsolation()", "setReadOnly()");

    private static Map<String, Executable> endings(Connection connection) {
        Map<String, Executable> endings = new LinkedHashMap<>();
        endings.put("commit()", connection::commit);
        endings.put("rollback()", connection::rollback);
        endings.put("setAutoCommit()", () -> connection.setAutoCommit(true));
        endings.put("setAutoCommit() ", () -> connection.setAutoCommit(false));
        endings.put("abort()", () -> connection.abort(Runnable::run));
        endings.put("setTransactionIsolation()", () -> connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE));
        endings.put("setReadOnly()", () -> connection.setReadOnly(true));
        return endings;
    }

    @Test
    void methodsThatEndTheTransactionAreRefusedWithASentence() throws SQLException {
        for (DataSource source : sources) {
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).build()) {
                for (String name : ENDINGS) {
                    refuses(executor, name);
                }
            }
            assertEquals(0, database.count("effect"), "something was committed");
        }
    }

    private static void refuses(ConnectTransactRetry executor, String name) {
        SQLException passedOn = assertThrows(SQLException.class, () -> executor.execute(tx -> {
            insert(tx.connection());
            call(tx, name);
        }), name);
        assertEquals("2D000", passedOn.getSQLState());
        TransactionRefusedException swallowed = assertThrows(TransactionRefusedException.class, () -> executor.execute(tx -> {
            assertThrows(SQLException.class, () -> call(tx, name));
            insert(tx.connection());
        }), name);
        for (Exception refused : List.of(passedOn, swallowed)) {
            assertTrue(refused.getMessage().startsWith(name.trim()), refused::getMessage);
            for (String mend : List.of("return to commit", "rollbackOnly()", "savepoint", "TransactionOptions")) {
                assertTrue(refused.getMessage().contains(mend), refused::getMessage);
            }
        }
    }

    private static void call(Transaction tx, String name) throws SQLException {
        try {
            endings(tx.connection()).get(name).execute();
        } catch (SQLException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void closeDoesNothing() throws SQLException {
        for (DataSource source : sources) {
            empty();
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).build()) {
                executor.execute(tx -> {
                    try (Connection first = tx.connection()) {
                        insert(first);
                    }
                    try (Connection second = tx.connection()) {
                        assertFalse(second.isClosed());
                        insert(second);
                    }
                    try (Connection third = tx.dataSource().getConnection()) {
                        insert(third);
                    }
                });
            }
            assertEquals(3, database.count("effect"));
        }
    }

    @Test
    void everyRoadLeadsBackToTheGuard() throws SQLException {
        for (DataSource source : sources) {
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).build()) {
                executor.execute(tx -> {
                    Connection guarded = tx.connection();
                    assertSame(guarded, tx.connection());
                    assertSame(guarded, tx.dataSource().getConnection());
                    assertSame(guarded, guarded.unwrap(Connection.class));
                    assertSame(guarded, guarded.getMetaData().getConnection());
                    assertEquals(guarded, guarded);
                    assertEquals(guarded.hashCode(), guarded.hashCode());
                    for (Statement statement : List.of(guarded.createStatement(), guarded.prepareStatement("SELECT 'a'"),
                            guarded.prepareCall("SELECT 'a'"),
                            guarded.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY))) {
                        assertSame(guarded, statement.getConnection());
                        assertSame(statement, statement.unwrap(Statement.class));
                        ResultSet rows = statement instanceof PreparedStatement
                                ? ((PreparedStatement) statement).executeQuery() : statement.executeQuery("SELECT 'a'");
                        assertSame(statement, rows.getStatement());
                        assertSame(statement, statement.getResultSet().getStatement());
                    }
                    assertTrue(guarded.prepareCall("SELECT 1") instanceof CallableStatement);
                    try (ResultSet tables = guarded.getMetaData().getTables(null, null, "effect", null)) {
                        assertTrue(tables.next());
                        assertNull(tables.getStatement());
                    }
                });
            }
        }
    }

    @Test
    void theDriversOwnObjectsCanBeHad() throws SQLException {
        for (DataSource source : sources) {
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).build()) {
                int pid = executor.run(tx -> {
                    assertTrue(tx.connection().isWrapperFor(PGConnection.class));
                    PGConnection own = tx.connection().unwrap(PGConnection.class);
                    BaseConnection base = tx.connection().unwrap(BaseConnection.class);
                    assertSame(own, base);
                    try (PreparedStatement statement = tx.connection().prepareStatement("SELECT 1")) {
                        PGStatement ownStatement = statement.unwrap(PGStatement.class);
                        ownStatement.setPrepareThreshold(1);
                        assertEquals(1, ownStatement.getPrepareThreshold());
                    }
                    Array array = tx.connection().createArrayOf("text", new Object[] {"a"});
                    try (PreparedStatement statement = tx.connection().prepareStatement("INSERT INTO effect SELECT unnest(?)")) {
                        statement.setArray(1, array);
                        assertEquals(1, statement.executeUpdate());
                    }
                    return own.getBackendPID();
                });
                assertTrue(pid > 0);
            }
        }
    }

    /** Guarded or not, an array that was read can be written, as a parameter and in any of its forms. */
    @Test
    void arraysComeAndGo() throws SQLException {
        for (DataSource source : sources) {
            empty();
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).build()) {
                executor.execute(tx -> {
                    Connection guarded = tx.connection();
                    try (Statement statement = guarded.createStatement();
                            ResultSet row = statement.executeQuery("SELECT ARRAY['a', 'b, \"c\"']");
                            PreparedStatement insert = guarded.prepareStatement("INSERT INTO effect SELECT unnest(?::text[])")) {
                        row.next();
                        Array read = row.getArray(1);
                        assertArrayEquals(new String[] {"a", "b, \"c\""}, (Object[]) read.getArray());
                        assertNull(read.getResultSet().getStatement(), "no way around the guard");
                        assertEquals("{a,\"b, \\\"c\\\"\"}", read.toString());
                        insert.setArray(1, read);
                        assertEquals(2, insert.executeUpdate());
                        insert.setObject(1, read);
                        assertEquals(2, insert.executeUpdate());
                        insert.setArray(1, guarded.createArrayOf("text", new Object[] {"d"}));
                        assertEquals(1, insert.executeUpdate());
                        insert.setObject(1, (Array) row.getObject(1));
                        assertEquals(2, insert.executeUpdate());
                        read.free();
                    }
                });
            }
            assertEquals(7, database.count("effect"));
            assertEquals("a", database.ask("SELECT min(what) FROM effect"));
        }
    }

    @Test
    void nothingOfAnAttemptLivesOnAfterIt() throws SQLException {
        for (DataSource source : sources) {
            List<Transaction> attempts = new ArrayList<>();
            List<Statement> statements = new ArrayList<>();
            List<ResultSet> results = new ArrayList<>();
            List<DatabaseMetaData> metadata = new ArrayList<>();
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).build()) {
                executor.execute(tx -> {
                    attempts.add(tx);
                    metadata.add(tx.connection().getMetaData());
                    PreparedStatement statement = tx.connection().prepareStatement("INSERT INTO effect VALUES ('late')");
                    statements.add(statement);
                    ResultSet result = tx.connection().createStatement().executeQuery("SELECT 1");
                    results.add(result);
                    if (tx.attempt() == 1) {
                        throw new SQLException("go again", "40001");
                    }
                });
                assertEquals(2, attempts.size());
                for (int i = 0; i < 2; i++) {
                    assertDead(attempts.get(i).connection(), (PreparedStatement) statements.get(i), results.get(i), metadata.get(i));
                }
                assertEquals(0, database.count("effect"));
            }
        }
    }

    private static void assertDead(Connection connection, PreparedStatement statement, ResultSet result, DatabaseMetaData metadata)
            throws SQLException {
        assertTrue(connection.isClosed());
        for (Executable use : List.<Executable>of(connection::createStatement, () -> connection.prepareStatement("SELECT 1"),
                connection::getMetaData, () -> connection.unwrap(PGConnection.class), connection::getAutoCommit, connection::commit,
                statement::executeUpdate, statement::getConnection, result::next, result::getStatement,
                metadata::getDatabaseProductName, metadata::getConnection)) {
            SQLException dead = assertThrows(SQLException.class, use);
            assertEquals("25000", dead.getSQLState(), "no lost connection, which would be retried");
            assertTrue(dead.getMessage().contains("only inside the function"), dead::getMessage);
        }
        assertDoesNotThrow(connection::close);
        assertDoesNotThrow(statement::close);
        assertDoesNotThrow(result::close);
    }

    @Test
    void theDataSourceOfATransactionIsItsConnectionAndNothingElse() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            executor.execute(tx -> {
                DataSource source = tx.dataSource();
                assertSame(source, source.unwrap(DataSource.class));
                assertTrue(source.isWrapperFor(DataSource.class));
                assertFalse(source.isWrapperFor(HikariDataSource.class));
                assertThrows(SQLException.class, () -> source.unwrap(HikariDataSource.class));
                SQLException refused =
                        assertThrows(SQLFeatureNotSupportedException.class, () -> source.getConnection("somebody", "else"));
                assertTrue(refused.getMessage().contains("getConnection()"), refused::getMessage);
                assertThrows(SQLFeatureNotSupportedException.class, () -> source.setLoginTimeout(1));
                assertThrows(SQLFeatureNotSupportedException.class, () -> source.setLogWriter(null));
                assertThrows(SQLFeatureNotSupportedException.class, source::getParentLogger);
                assertEquals(0, source.getLoginTimeout());
                assertNull(source.getLogWriter());
            });
        }
    }

    /** Nothing was sent, so that no transaction has begun, let alone ended. */
    @Test
    void anEmptyBatchIsNoStatement() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            int entries = executor.run(tx -> {
                try (PreparedStatement insert = tx.connection().prepareStatement("INSERT INTO effect VALUES ('x')")) {
                    return insert.executeBatch().length + insert.executeLargeBatch().length;
                }
            });
            assertEquals(0, entries);
            executor.execute(tx -> {
                insert(tx.connection());
                try (Statement statement = tx.connection().createStatement()) {
                    statement.executeBatch();
                }
            });
        }
        assertEquals(1, database.count("effect"));
    }

    /** What a call changes on a connection is put back before the next borrower gets it. */
    @Test
    void theConnectionComesBackAsItWasLent() throws SQLException {
        try (Connection before = pool.getConnection()) {
            before.setNetworkTimeout(Runnable::run, 0);
        }
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
            executor.execute(TransactionOptions.serializable().withAccess(Access.READ_ONLY), tx -> {
                tx.connection().setNetworkTimeout(Runnable::run, 12_345);
                assertFalse(tx.connection().getAutoCommit());
                assertTrue(tx.connection().isReadOnly());
            });
        }
        try (Connection after = pool.getConnection()) {
            assertTrue(after.getAutoCommit());
            assertFalse(after.isReadOnly());
            assertEquals(0, after.getNetworkTimeout());
            assertEquals(Connection.TRANSACTION_READ_COMMITTED, after.getTransactionIsolation());
        }
    }

    private static void insert(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.executeUpdate("INSERT INTO effect VALUES ('x')");
        }
    }
}
