package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.observe.TransactionEvent.RetryScheduled;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.io.PrintStream;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** Conflicts are repeated after 2, 4, 8 ms and so on, up to a cap, and at most five times. */
final class SimpleExponential {

    private SimpleExponential() {
    }

    /** Returns the waits in milliseconds. */
    static List<Long> run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE counter (n int)", "INSERT INTO counter VALUES (0)");
        RetryPolicy policy = RetryPolicy.defaults()
                .withMaxAttempts(6)
                .withConflictBackoff(Backoff.exponential(Duration.ofMillis(2), Duration.ofMillis(10)));
        List<Long> waits = new ArrayList<>();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource)
                .retryPolicy(policy)
                .listener(event -> {
                    if (event instanceof RetryScheduled retry) {
                        waits.add(retry.failure().delay().toMillis());
                    }
                })
                .build()) {
            int attempts = executor.run(TransactionOptions.repeatableRead(), tx -> {
                Sql.ask(tx.connection(), "SELECT n FROM counter");
                if (tx.attempt() < 5) {
                    // Somebody else is faster: a real 40001 follows.
                    Sql.execute(dataSource, "UPDATE counter SET n = n + 1");
                }
                Sql.execute(tx.connection(), "UPDATE counter SET n = n + 1");
                return tx.attempt();
            });
            out.println("exponential: done at attempt " + attempts + ", after waits of " + waits + " ms");
        }
        return waits;
    }
}
