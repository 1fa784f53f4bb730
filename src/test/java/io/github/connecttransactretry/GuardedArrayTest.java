package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** An array leads to a result set, that to a statement, and that to a connection: which must not be the driver's own. */
class GuardedArrayTest {

    private static TestDatabase database;
    private static HikariDataSource pool;

    private final List<DataSource> sources =
            List.of(pool, database.plain(""), database.plain("binaryTransfer=false"), database.plain("preferQueryMode=simple"));

    @BeforeAll
    static void launch() {
        database = TestDatabase.launch();
        pool = database.pool(1, "");
    }

    @AfterAll
    static void stop() {
        pool.close();
        database.close();
    }

    /** What is done with the arrays of a connection. */
    private interface Use {
        void of(Connection connection) throws SQLException;
    }

    private void onEachSource(Use use) throws SQLException {
        for (DataSource source : sources) {
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(source).build()) {
                executor.execute(tx -> use.of(tx.connection()));
            }
        }
    }

    @Test
    void noArrayLeadsPastTheGuard() throws SQLException {
        onEachSource(connection -> {
            try (PreparedStatement select = connection.prepareStatement("SELECT ARRAY[1, 2]::int4[]");
                    ResultSet row = select.executeQuery()) {
                row.next();
                for (Array array : List.of(row.getArray(1), (Array) row.getObject(1), row.getObject(1, Array.class),
                        connection.createArrayOf("int4", new Object[] {1, 2}))) {
                    try (ResultSet elements = array.getResultSet()) {
                        assertTrue(elements.next());
                        assertNull(elements.getStatement(), "the statement behind it is the driver's");
                    }
                }
            }
        });
    }

    /** pgjdbc sends an array of another make as what toString() says of it. */
    @Test
    void arraysGoBackToTheDriver() throws SQLException {
        onEachSource(connection -> {
            for (Array sent : List.of(connection.createArrayOf("int4", new Object[] {1, null, 3}), ofTheServer(connection))) {
                for (int way = 0; way < 3; way++) {
                    try (PreparedStatement echo = connection.prepareStatement("SELECT ?::int4[]")) {
                        if (way == 0) {
                            echo.setArray(1, sent);
                        } else if (way == 1) {
                            echo.setObject(1, sent);
                        } else {
                            echo.setObject(1, sent, Types.ARRAY);
                        }
                        assertArrayEquals(new Object[] {1, null, 3}, (Object[]) first(echo).getArray());
                    }
                }
            }
            assertEquals("{1,NULL,3}", ofTheServer(connection).toString());
        });
    }

    /** In binary, that is; text would do, but vectors are large. */
    @Test
    void anArrayIsSentAsTheDriverSendsItsOwn() throws SQLException {
        try (Connection own = database.plain("").getConnection();
                ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).build()) {
            String asItIs = boundTo(own);
            assertEquals("guarded " + asItIs, executor.<String, SQLException>run(tx -> boundTo(tx.connection())));
        }
    }

    /** What a statement says of itself with an array as its parameter: pgjdbc shows texts, and hides bytes. */
    private static String boundTo(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::float8[]")) {
            statement.setArray(1, connection.createArrayOf("float8", new Double[] {1.0, 2.0, 3.0}));
            return statement.toString();
        }
    }

    @Test
    void arraysGoBackByAnUpdatableResultSet() throws SQLException {
        onEachSource(connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("CREATE TEMP TABLE arrays (id int PRIMARY KEY, a int4[]) ON COMMIT DROP;"
                        + " INSERT INTO arrays VALUES (1, NULL)");
            }
            try (Statement statement = connection.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_UPDATABLE);
                    ResultSet rows = statement.executeQuery("SELECT id, a FROM arrays")) {
                assertTrue(rows.next());
                rows.updateArray("a", connection.createArrayOf("int4", new Object[] {1, 2}));
                rows.updateRow();
            }
            try (PreparedStatement select = connection.prepareStatement("SELECT a FROM arrays")) {
                assertEquals("{1,2}", first(select).toString());
            }
        });
    }

    @Test
    void noArrayLivesOnAfterItsAttempt() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
            Array kept = executor.run(tx -> tx.connection().createArrayOf("int4", new Object[] {1}));
            assertEquals("25000", assertThrows(SQLException.class, kept::getArray).getSQLState());
            assertEquals("25000", assertThrows(SQLException.class, kept::getResultSet).getSQLState());
            assertDoesNotThrow(kept::toString);
            SQLException mistake = assertThrows(SQLException.class, () -> executor.execute(tx -> {
                try (PreparedStatement echo = tx.connection().prepareStatement("SELECT ?::int4[]")) {
                    echo.setArray(1, kept);
                    echo.execute();
                }
            }));
            assertEquals("25000", mistake.getSQLState());
            assertDoesNotThrow(kept::free);
        }
    }

    private static Array ofTheServer(Connection connection) throws SQLException {
        return first(connection.prepareStatement("SELECT '{1,NULL,3}'::int4[]"));
    }

    private static Array first(PreparedStatement statement) throws SQLException {
        ResultSet row = statement.executeQuery();
        row.next();
        return row.getArray(1);
    }
}
