package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.CircuitOpenException;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.io.PrintStream;
import java.sql.DriverManager;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/** While the server is away, a circuit breaker rejects callers at once, or lets them wait for one probe and then go on. */
final class BreakerOverAnOutage {

    private static final int CALLERS = 8;

    private BreakerOverAnOutage() {
    }

    /** What was seen: connects of a rejected call, those who waited and were served, and the breaker in the end. */
    record Seen(long connectsOfRejected, CircuitBreaker.Counts counts, CircuitBreaker.State state) {
    }

    static Seen run(PostgresServer server, PrintStream out) throws Exception {
        try (WireProxy road = WireProxy.to(server.port())) {
            String url = server.jdbcUrl(road.port());
            ConnectionSource connections = () -> DriverManager.getConnection(url, PostgresServer.SUPERUSER, "");
            road.refuse(true);
            long connects = rejecting(connections, road, out);
            CircuitBreaker breaker = breaker(Duration.ofMillis(20), true);
            // The breaker paces all callers together: none needs waits of its own.
            RetryPolicy policy = RetryPolicy.defaults().withOutageBackoff(Backoff.none());
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(connections)
                    .circuitBreaker(breaker)
                    .retryPolicy(policy)
                    .build()) {
                CompletableFuture<Void> callers = CompletableFuture.runAsync(() -> {
                    try {
                        Together.run(CALLERS, n -> executor.execute(tx -> Sql.ask(tx.connection(), "SELECT 1")));
                    } catch (Exception failed) {
                        throw new IllegalStateException(failed);
                    }
                });
                Await.until("all but the prober to wait", Duration.ofSeconds(20),
                        () -> breaker.counts().waiting() >= CALLERS - 1);
                road.refuse(false);
                callers.join();
                out.println("breaker, waiting: " + CALLERS + " callers served once the server was back; " + breaker.counts());
                return new Seen(connects, breaker.counts(), breaker.state());
            }
        }
    }

    private static CircuitBreaker breaker(Duration pause, boolean waits) {
        return CircuitBreaker.of(new CircuitBreaker.Settings(3, Backoff.fixed(pause), waits, Duration.ofMillis(20),
                Duration.ofSeconds(3)));
    }

    private static long rejecting(ConnectionSource connections, WireProxy road, PrintStream out) {
        CircuitBreaker breaker = breaker(Duration.ofMinutes(1), false);
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(connections).circuitBreaker(breaker).build()) {
            for (int call = 1;; call++) {
                long before = road.sessions();
                try {
                    executor.execute(tx -> { });
                } catch (CircuitOpenException open) {
                    out.println("breaker, rejecting: call " + call + ": " + open.getMessage());
                    if (call == 2) {
                        return road.sessions() - before;
                    }
                }
            }
        }
    }
}
