package io.github.connecttransactretry.optimistic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.fixtures.TestDatabase;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a versioned table does and refuses, one transaction after the other. */
class VersionedTableTest {

    private static final VersionedTable ORDERS = VersionedTable.of("orders").key("id").version("version");

    private static TestDatabase database;
    private Connection connection;

    @BeforeAll
    static void launch() {
        database = TestDatabase.launch(Map.of("fsync", "off"));
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    @BeforeEach
    void open() throws SQLException {
        database.execute("DROP TABLE IF EXISTS orders", "CREATE TABLE orders (id int PRIMARY KEY, version int, status text, paid numeric)",
                "INSERT INTO orders VALUES (1, 1, 'new', 0), (2, NULL, 'new', 0)");
        connection = database.plain("").getConnection();
        connection.setAutoCommit(false);
    }

    @AfterEach
    void close() throws SQLException {
        connection.close();
    }

    private VersionedRow load(VersionedTable table, Object key) throws SQLException {
        return table.load(connection, key).orElseThrow();
    }

    /** What another session did meanwhile; this one's transaction is over before, so that it holds no lock. */
    private void meanwhile(String sql) throws SQLException {
        connection.commit();
        database.execute(sql);
    }

    @Test
    void writesAndReturnsTheRowAsItIsNow() throws SQLException {
        VersionedRow seen = load(ORDERS, 1);
        assertEquals(1, seen.version());
        assertEquals(Map.of("id", 1, "status", "new", "paid", BigDecimal.ZERO), seen.columns());
        VersionedRow paid = ORDERS.update(connection, seen, Map.of("status", "paid", "paid", new BigDecimal("9.50")));
        assertEquals(2, paid.version());
        assertEquals("paid", paid.get("status", String.class));
        VersionedRow twice = ORDERS.update(connection, paid, Map.of("status", "sent"));
        assertEquals(3, twice.version());
        connection.commit();
        assertEquals("1,3,sent,9.50", database.ask("SELECT concat_ws(',', id, version, status, paid) FROM orders WHERE id = 1"));
        assertEquals("2,new,0", database.ask("SELECT concat_ws(',', id, version, status, paid) FROM orders WHERE id = 2"));
    }

    @Test
    void aStaleRowIsToldWithBothVersions() throws SQLException {
        VersionedRow seen = load(ORDERS, 1);
        meanwhile("UPDATE orders SET status = 'sent', version = version + 3 WHERE id = 1");
        StaleVersionException stale =
                assertThrows(StaleVersionException.class, () -> ORDERS.update(connection, seen, Map.of("status", "paid")));
        assertEquals("\"orders\"", stale.table());
        assertEquals(1, stale.key());
        assertEquals(1, stale.expected());
        assertEquals(4, stale.actual());
        assertEquals(Optional.of(new BigDecimal(3)), stale.gap());
        assertEquals(Optional.empty(), stale.timeGap());
        assertFalse(stale.isGone());
        assertEquals("sent", stale.current().orElseThrow().get("status"));
        assertEquals("\"orders\" row (id = 1) was expected at version 1 and is at 4 (gap 3): show both, or write through"
                + " VersionedTable.merge", stale.getMessage());
        assertEquals(4, assertThrows(StaleVersionException.class, () -> ORDERS.delete(connection, seen)).actual());
        connection.commit();
        assertEquals("sent", database.ask("SELECT status FROM orders WHERE id = 1"));
    }

    @Test
    void aDeletedRowIsSaidToBeGone() throws SQLException {
        VersionedRow seen = load(ORDERS, 1);
        meanwhile("DELETE FROM orders WHERE id = 1");
        List<StaleVersionException> all = List.of(
                assertThrows(StaleVersionException.class, () -> ORDERS.update(connection, seen, Map.of("status", "paid"))),
                assertThrows(StaleVersionException.class, () -> ORDERS.update(connection, 1, 1, Map.of("status", "paid"))),
                assertThrows(StaleVersionException.class, () -> ORDERS.delete(connection, seen)),
                assertThrows(StaleVersionException.class, () -> ORDERS.merge(connection, seen, row -> Map.of("status", "paid"))));
        for (StaleVersionException gone : all) {
            assertTrue(gone.isGone());
            assertEquals(1, gone.expected());
            assertNull(gone.actual());
            assertEquals(Optional.empty(), gone.gap());
            assertTrue(gone.getMessage().contains("is gone: deleted"), gone::getMessage);
        }
        NoSuchElementException never = assertThrows(NoSuchElementException.class,
                () -> ORDERS.merge(connection, 1, row -> Map.of("status", "paid")));
        assertTrue(never.getMessage().contains("\"orders\" row (id = 1)"), never::getMessage);
    }

    @Test
    void aRowThatLooksAsItDidIsWrittenAgain() throws SQLException {
        VersionedRow seen = load(ORDERS, 1);
        meanwhile("UPDATE orders SET version = version + 5 WHERE id = 1");
        assertEquals(7, ORDERS.update(connection, seen, Map.of("status", "paid")).version());
        // Without the row nobody knows what the writer had seen.
        assertThrows(StaleVersionException.class, () -> ORDERS.update(connection, 1, 1, Map.of("status", "lost")));
        connection.commit();
        assertEquals("paid", database.ask("SELECT status FROM orders WHERE id = 1"));
    }

    @Test
    void whatIsNotReadIsNotSeen() throws SQLException {
        VersionedTable status = ORDERS.columns("status");
        VersionedRow seen = load(status, 1);
        VersionedRow all = load(ORDERS, 1);
        assertEquals(Map.of("status", "new"), seen.columns());
        meanwhile("UPDATE orders SET version = version + 1, paid = 5 WHERE id = 1");
        assertThrows(StaleVersionException.class, () -> ORDERS.update(connection, all, Map.of("status", "lost")));
        assertEquals(3, status.update(connection, seen, Map.of("status", "paid")).version());
        meanwhile("UPDATE orders SET version = version + 1, status = 'sent' WHERE id = 1");
        assertThrows(StaleVersionException.class, () -> status.update(connection, seen, Map.of("status", "lost")));
    }

    @Test
    void deletesAtTheVersionSeen() throws SQLException {
        assertEquals("new", ORDERS.delete(connection, load(ORDERS, 1)).get("status"));
        connection.commit();
        assertEquals(1, database.count("orders"));
    }

    @Test
    void aVersionMayBeNullAtFirst() throws SQLException {
        VersionedRow seen = load(ORDERS, 2);
        assertNull(seen.version());
        assertEquals(1, ORDERS.update(connection, 2, null, Map.of("status", "paid")).version());
        connection.commit();
        StaleVersionException stale =
                assertThrows(StaleVersionException.class, () -> ORDERS.update(connection, seen, Map.of("status", "lost")));
        assertNull(stale.expected());
        assertEquals(1, stale.actual());
    }

    @Test
    void keyAndVersionMayComeAsText() throws SQLException {
        assertEquals(2, ORDERS.update(connection, "1", "1", Map.of("status", "paid")).version());
        StaleVersionException stale =
                assertThrows(StaleVersionException.class, () -> ORDERS.update(connection, "1", "1", Map.of("status", "lost")));
        assertEquals(Optional.of(BigDecimal.ONE), stale.gap());
    }

    @Test
    void namesOfAnyKindAndCompositeKeys() throws SQLException {
        database.execute("DROP SCHEMA IF EXISTS \"we\"\"ird; --\" CASCADE", "CREATE SCHEMA \"we\"\"ird; --\"",
                "CREATE TABLE \"we\"\"ird; --\".\"Größe ? {fn now()}\" (\"a b\" text, \"select\" char(4), \"v%s'\" bigint NOT NULL,"
                        + " \"x\"\"?\" text[], PRIMARY KEY (\"a b\", \"select\"))",
                "INSERT INTO \"we\"\"ird; --\".\"Größe ? {fn now()}\" VALUES ('k', 'one', 7, '{}'), ('k', 'two', 7, '{}')");
        VersionedTable odd = VersionedTable.of("we\"ird; --", "Größe ? {fn now()}").key("a b", "select").version("v%s'");
        VersionedRow seen = load(odd, List.of("k", "one"));
        VersionedRow written = odd.update(connection, seen, Map.of("x\"?", "{ä,\"b c\"}"));
        assertEquals(8L, written.version());
        assertEquals("{ä,\"b c\"}", written.get("x\"?"));
        assertEquals(List.of("k", "one"), written.key());
        StaleVersionException stale =
                assertThrows(StaleVersionException.class, () -> odd.update(connection, seen, Map.of("x\"?", "{}")));
        assertTrue(stale.getMessage().startsWith("\"we\"\"ird; --\".\"Größe ? {fn now()}\" row (a b = k, select = one) was"),
                stale::getMessage);
        assertEquals(7L, load(odd, List.of("k", "two")).version());
    }

    @Test
    void badInputIsNamed() throws SQLException {
        VersionedRow seen = load(ORDERS, 1);
        Map<String, Object> nullName = new HashMap<>();
        nullName.put(null, 1);
        VersionedTable pairs = VersionedTable.of("orders").key("id", "status").version("version");
        says("the key of \"orders\" is null: give the value of [id]", () -> ORDERS.load(connection, null));
        says("[id, status], and 1 values were given", () -> pairs.load(connection, 1));
        says("has no value for status: no row is equal to NULL", () -> pairs.load(connection, Arrays.asList(1, null)));
        says("no column is to be set in \"orders\"", () -> ORDERS.update(connection, seen, Map.of()));
        says("changes is null", () -> ORDERS.update(connection, seen, null));
        says("the name of the column to set is null", () -> ORDERS.update(connection, seen, nullName));
        says("the row is null", () -> ORDERS.update(connection, null, Map.of("status", "x")));
        says("version is the version, which is not set by hand", () -> ORDERS.update(connection, seen, Map.of("version", 9)));
        says("id is a part of the key", () -> ORDERS.update(connection, seen, Map.of("id", 9)));
        says("was loaded by another table, key or version", () -> pairs.update(connection, seen, Map.of("paid", 1)));
        says("the merge gave null", () -> ORDERS.merge(connection, 1, row -> null));
        says("connection is null", () -> ORDERS.load(null, 1));
        says("no column nothing was read; there are [id, status, paid], and version()", () -> seen.get("nothing"));
        says("the column status was read as String, not as Integer", () -> seen.get("status", Integer.class));
        says("the name of the table is empty or has a NUL", () -> VersionedTable.of(""));
        says("longer than 63 bytes", () -> VersionedTable.of("ä".repeat(32)));
        says("named twice: [id, id]", () -> VersionedTable.of("orders").key("id", "id"));
        says("id is a part of the key", () -> VersionedTable.of("orders").key("id").version("id"));
        says("nobody can set xmin", () -> VersionedTable.of("orders").key("id").version("xmin"));
        says("the expression is blank", () -> NextVersion.expression(" "));
        VersionedTable silent = VersionedTable.of("orders").key("id").version("version", NextVersion.from(() -> null));
        says("the supplier of versions gave null", () -> silent.update(connection, seen, Map.of("status", "x")));
        connection.setAutoCommit(true);
        says("the connection is in autocommit", () -> ORDERS.update(connection, seen, Map.of("status", "x")));
        says("the connection is in autocommit", () -> ORDERS.merge(connection, 1, row -> Map.of("status", "x")));
        assertEquals("new", database.ask("SELECT status FROM orders WHERE id = 1"));
    }

    private static void says(String part, Executable call) {
        RuntimeException said = assertThrows(RuntimeException.class, call);
        assertTrue(said.getMessage() != null && said.getMessage().contains(part), said::toString);
        assertFalse(said instanceof StaleVersionException, said::toString);
    }

    @ParameterizedTest
    @ValueSource(strings = {"42703 nothing", "23502 status", "22P02 paid"})
    void anErrorOfTheServersComesUnchanged(String stateAndColumn) throws SQLException {
        database.execute("ALTER TABLE orders ALTER status SET NOT NULL");
        VersionedRow seen = load(ORDERS, 1);
        String column = stateAndColumn.substring(6);
        Map<String, Object> changes = new HashMap<>();
        changes.put(column, column.equals("status") ? null : "five");
        SQLException raised = assertThrows(SQLException.class, () -> ORDERS.update(connection, seen, changes));
        assertEquals(stateAndColumn.substring(0, 5), raised.getSQLState());
    }

    @Test
    void aKeyThatFitsSeveralRowsIsRefused() throws SQLException {
        database.execute("UPDATE orders SET version = 1");
        VersionedTable loose = VersionedTable.of("orders").key("status").version("version");
        says("there is more than one \"orders\" row (status = new): the key [status]", () -> loose.load(connection, "new"));
        says("there is more than one", () -> loose.update(connection, "new", 1, Map.of("paid", 5)));
    }

    @Test
    void aWriteThatIsKeptBackIsNotCalledStale() throws SQLException {
        database.execute("CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
                "CREATE TRIGGER keep BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION keep()");
        VersionedRow seen = load(ORDERS, 1);
        String said = "is at version 1, as expected, and was still not written: a trigger, a rule or row security keeps it back";
        says(said, () -> ORDERS.update(connection, seen, Map.of("status", "x")));
        says(said, () -> ORDERS.update(connection, 1, 1, Map.of("status", "x")));
        says(said, () -> ORDERS.merge(connection, 1, row -> Map.of("status", "x")));
    }

    @Test
    void rowSecurityThatShowsARowAndKeepsItFromBeingWritten() throws SQLException {
        database.execute("DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN", "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
                "GRANT SELECT, UPDATE ON orders TO clerk", "CREATE POLICY see ON orders FOR SELECT USING (true)",
                "CREATE POLICY own ON orders FOR UPDATE USING (id = 2)");
        try (Statement statement = connection.createStatement()) {
            statement.execute("SET ROLE clerk");
        }
        says("row security keeps it back", () -> ORDERS.merge(connection, 1, row -> Map.of("status", "x")));
        assertEquals(1, ORDERS.merge(connection, 2, row -> Map.of("status", "x")).version());
        connection.rollback();
        database.execute("DROP TABLE orders", "DROP ROLE clerk");
    }
}
