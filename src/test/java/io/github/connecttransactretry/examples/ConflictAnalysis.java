package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.observe.ConflictReport;
import java.io.PrintStream;
import java.util.concurrent.CyclicBarrier;
import javax.sql.DataSource;

/** Which calls lose to which, on which table, and how many attempts they take. */
final class ConflictAnalysis {

    private static final int THREADS = 4;
    private static final int CALLS = 10;

    private ConflictAnalysis() {
    }

    static ConflictReport run(DataSource dataSource, PrintStream out) throws Exception {
        Sql.execute(dataSource, "CREATE TABLE account (id int PRIMARY KEY, balance int)",
                "INSERT INTO account VALUES (1, 0)");
        ConflictReport report = new ConflictReport();
        CyclicBarrier start = new CyclicBarrier(THREADS);
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).listener(report).build()) {
            Together.run(THREADS, thread -> {
                for (int i = 0; i < CALLS; i++) {
                    boolean first = i == 0;
                    String label = thread % 2 == 0 ? "deposit" : "fee";
                    executor.execute(TransactionOptions.repeatableRead().withLabel(label), tx -> {
                        Sql.ask(tx.connection(), "SELECT balance FROM account WHERE id = 1");
                        if (first && tx.attempt() == 1) {
                            // All four have read the same: one of them wins.
                            start.await();
                        }
                        Sql.execute(tx.connection(), "UPDATE account SET balance = balance + 1 WHERE id = 1");
                    });
                }
            });
        }
        out.println(report);
        return report;
    }
}
