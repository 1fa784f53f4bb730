package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.Isolation;
import io.github.connecttransactretry.TransactionOptions;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.List;
import javax.sql.DataSource;

/** A report of several queries that all see the same moment, and that cannot write by mistake. */
final class ReadOnlyView {

    private ReadOnlyView() {
    }

    /** What the report saw, and the SQLSTATE that a write in it got. */
    record Seen(String orders, String total, String writing) {
    }

    static Seen run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE orders (amount int)", "INSERT INTO orders VALUES (10), (32)");
        TransactionOptions view = TransactionOptions.readOnly().withIsolation(Isolation.REPEATABLE_READ).withLabel("report");
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build()) {
            List<String> seen = executor.run(view, tx -> {
                String orders = Sql.ask(tx.connection(), "SELECT count(*) FROM orders");
                // Somebody else goes on placing orders.
                Sql.execute(dataSource, "INSERT INTO orders VALUES (100)");
                return List.of(orders, Sql.ask(tx.connection(), "SELECT sum(amount) FROM orders"));
            });
            out.println("view: orders and their total " + seen + "; the one that was placed in between is not in it");
            String writing = "";
            try {
                executor.execute(view, tx -> Sql.execute(tx.connection(), "DELETE FROM orders"));
            } catch (SQLException refused) {
                writing = refused.getSQLState();
                out.println("view: a write in it is refused: " + refused.getMessage());
            }
            return new Seen(seen.get(0), seen.get(1), writing);
        }
    }
}
