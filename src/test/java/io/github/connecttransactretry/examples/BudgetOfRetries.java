package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.RetriesExhaustedException;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.pacing.RetryBudget;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** All calls of an engine share a bucket of retries; when it is empty, calls that would retry end, and the others go on. */
final class BudgetOfRetries {

    private BudgetOfRetries() {
    }

    /** Returns how many attempts the calls had, those that ended first. */
    static List<Integer> run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE counter (n int)", "INSERT INTO counter VALUES (0)");
        RetryBudget budget = RetryBudget.of(5, 0.001);
        List<Integer> attempts = new ArrayList<>();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).retryBudget(budget).build()) {
            for (int call = 1; call <= 2; call++) {
                try {
                    executor.execute(TransactionOptions.repeatableRead(), tx -> {
                        Sql.ask(tx.connection(), "SELECT n FROM counter");
                        // Somebody else is faster, every time.
                        Sql.execute(dataSource, "UPDATE counter SET n = n + 1");
                        Sql.execute(tx.connection(), "UPDATE counter SET n = n + 1");
                    });
                } catch (RetriesExhaustedException spent) {
                    attempts.add(spent.failures().size());
                    out.println("budget: call " + call + ": " + spent.getMessage());
                }
            }
            attempts.add(executor.run(tx -> {
                Sql.execute(tx.connection(), "UPDATE counter SET n = -1");
                return tx.attempt();
            }));
            out.println("budget: a call that needs no retry is done all the same; " + budget.counts());
        }
        return attempts;
    }
}
