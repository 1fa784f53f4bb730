package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.optimistic.StaleVersionException;
import io.github.connecttransactretry.optimistic.VersionedRow;
import io.github.connecttransactretry.optimistic.VersionedTable;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.Map;
import javax.sql.DataSource;

/** A row is written at the version that was seen. If another one was faster, a merge reloads it and writes both changes. */
final class ReloadAndMerge {

    private ReloadAndMerge() {
    }

    /** Returns the items of the order in the end, and its version. */
    static String run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE orders (id int PRIMARY KEY, version int NOT NULL, items text)",
                "INSERT INTO orders VALUES (7, 1, 'pen')");
        VersionedTable orders = VersionedTable.of("orders").key("id").version("version");
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build()) {
            VersionedRow seen = executor.run(tx -> orders.load(tx.connection(), 7).orElseThrow());
            // While somebody thinks about what was seen, another one writes.
            Sql.execute(dataSource, "UPDATE orders SET items = items || ', ink', version = version + 1 WHERE id = 7");
            try {
                executor.execute(tx -> orders.update(tx.connection(), seen, Map.of("items", seen.get("items") + ", paper")));
            } catch (StaleVersionException stale) {
                out.println("merge: seen was version " + stale.expected() + ", there is " + stale.actual());
                executor.execute(tx -> orders.merge(tx.connection(), 7,
                        now -> Map.of("items", now.get("items") + ", paper")));
            }
        }
        String row = Sql.ask(dataSource, "SELECT items || ' at version ' || version FROM orders WHERE id = 7");
        out.println("merge: the order now has " + row);
        return row;
    }
}
