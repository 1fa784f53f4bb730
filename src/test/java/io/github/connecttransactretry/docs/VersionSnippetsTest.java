package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.optimistic.NextVersion;
import io.github.connecttransactretry.optimistic.StaleVersionException;
import io.github.connecttransactretry.optimistic.VersionedRow;
import io.github.connecttransactretry.optimistic.VersionedTable;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The Java of docs/versions.md, run on a real server; see {@link SnippetsTest}. */
class VersionSnippetsTest {

    private static TestDatabase database;
    private static ConnectTransactRetry executor;

    private final List<String> notebook = new ArrayList<>();
    private final int id = 7;

    @BeforeAll
    static void launch() {
        database = TestDatabase.launch();
        executor = ConnectTransactRetry.builder(database.plain("")).build();
    }

    @AfterAll
    static void close() {
        executor.close();
        database.close();
    }

    @BeforeEach
    void table() throws SQLException {
        database.execute("DROP TABLE IF EXISTS orders",
                "CREATE TABLE orders (id int PRIMARY KEY, version int NOT NULL, status text, items text)",
                "INSERT INTO orders VALUES (7, 3, 'new', 'pen')");
    }

    private void show(Object expected, Object actual) {
        notebook.add(expected + " " + actual);
    }

    @Test
    void staleAndMerged() throws SQLException {
        // snippet
        VersionedTable orders = VersionedTable.of("orders").key("id").version("version");

        VersionedRow seen = executor.run(tx -> orders.load(tx.connection(), id).orElseThrow());
        // end
        database.execute("UPDATE orders SET items = 'pen, ink', version = version + 1");
        // snippet
        try {
            executor.execute(tx -> orders.update(tx.connection(), seen, Map.of("status", "paid")));
        } catch (StaleVersionException stale) {
            show(stale.expected(), stale.actual());
        }
        // end
        assertEquals(List.of("3 4"), notebook);
        // snippet
        executor.execute(tx -> orders.merge(tx.connection(), id,
                row -> Map.of("items", row.get("items") + ", paper")));
        // end
        assertEquals("pen, ink, paper 5", database.ask("SELECT items || ' ' || version FROM orders"));
        // snippet
        executor.execute(tx -> orders.update(tx.connection(), "7", "5", Map.of("status", "paid")));
        // end
        assertEquals("paid 6", database.ask("SELECT status || ' ' || version FROM orders"));
    }

    @Test
    void otherVersions() throws SQLException {
        database.execute("DROP SCHEMA IF EXISTS shop CASCADE", "CREATE SCHEMA shop",
                "CREATE TABLE shop.stock (site text, article int, changed timestamptz, amount int, PRIMARY KEY (site, article))",
                "INSERT INTO shop.stock VALUES ('north', 4711, now(), 5)",
                "CREATE TABLE notes (id int PRIMARY KEY, etag uuid, body text)", "INSERT INTO notes VALUES (7, gen_random_uuid(), '')",
                "CREATE TABLE legacy (id int PRIMARY KEY, body text)", "INSERT INTO legacy VALUES (7, '')");
        // snippet
        VersionedTable stock = VersionedTable.of("shop", "stock").key("site", "article").version("changed", NextVersion.clock());
        VersionedTable notes = VersionedTable.of("notes").key("id").version("etag", NextVersion.from(UUID::randomUUID));
        VersionedTable legacy = VersionedTable.of("legacy").key("id").version("xmin", NextVersion.byDatabase());

        executor.execute(tx -> stock.merge(tx.connection(), List.of("north", 4711),
                row -> Map.of("amount", row.get("amount", Integer.class) - 1)));
        // end
        assertEquals("4", database.ask("SELECT amount FROM shop.stock"));
        String etag = database.ask("SELECT etag FROM notes");
        String xmin = database.ask("SELECT xmin FROM legacy");
        executor.execute(tx -> notes.update(tx.connection(), 7, etag, Map.of("body", "x")));
        executor.execute(tx -> legacy.update(tx.connection(), 7, xmin, Map.of("body", "x")));
        assertNotEquals(etag, database.ask("SELECT etag FROM notes"));
        assertNotEquals(xmin, database.ask("SELECT xmin FROM legacy"));
    }
}
