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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;

/** Jitter is a decorator around a curve. Without it, callers that failed together come back together. */
final class Jittered {

    private static final Duration FIRST = Duration.ofMillis(4);
    private static final Duration CAP = Duration.ofMillis(16);

    private Jittered() {
    }

    /** Returns the waits under each jitter. */
    static Map<String, List<Duration>> run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE counter (n int)", "INSERT INTO counter VALUES (0)");
        Backoff curve = Backoff.exponential(FIRST, CAP);
        Map<String, Backoff> jitters = new LinkedHashMap<>();
        jitters.put("none", curve);
        jitters.put("full", curve.withFullJitter());
        jitters.put("equal", curve.withEqualJitter());
        jitters.put("decorrelated", curve.withDecorrelatedJitter(CAP));
        Map<String, List<Duration>> waits = new LinkedHashMap<>();
        for (Map.Entry<String, Backoff> jitter : jitters.entrySet()) {
            List<Duration> seen = waitsWith(jitter.getValue(), dataSource);
            out.printf("jitter %-12s waits in microseconds: %s%n", jitter.getKey(),
                    seen.stream().map(wait -> wait.toNanos() / 1000).toList());
            waits.put(jitter.getKey(), seen);
        }
        return waits;
    }

    private static List<Duration> waitsWith(Backoff backoff, DataSource dataSource) throws SQLException {
        List<Duration> waits = new ArrayList<>();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource)
                .retryPolicy(RetryPolicy.defaults().withConflictBackoff(backoff))
                .listener(event -> {
                    if (event instanceof RetryScheduled retry) {
                        waits.add(retry.failure().delay());
                    }
                })
                .build()) {
            executor.execute(TransactionOptions.repeatableRead(), tx -> {
                Sql.ask(tx.connection(), "SELECT n FROM counter");
                if (tx.attempt() < 5) {
                    Sql.execute(dataSource, "UPDATE counter SET n = n + 1");
                }
                Sql.execute(tx.connection(), "UPDATE counter SET n = n + 1");
            });
        }
        return waits;
    }
}
