package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.RetryBudget;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.time.Duration;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;

/** The Java of docs/pacing.md, run on a real server; see {@link SnippetsTest}. */
class PacingSnippetsTest {

    @Test
    void policyBudgetAndBreaker() {
        // snippet
        RetryPolicy policy = RetryPolicy.defaults()
                .withConflictBackoff(Backoff.exponential(Duration.ofMillis(1), Duration.ofMillis(50)).withFullJitter())
                .withOutageBackoff(Backoff.fixed(Duration.ofMillis(100)).withDecorrelatedJitter(Duration.ofSeconds(2)))
                .withMaxAttempts(20);
        // end
        try (TestDatabase database = TestDatabase.launch()) {
            DataSource dataSource = database.plain("");
            // snippet
            RetryBudget budget = RetryBudget.of(100, 20);
            CircuitBreaker breaker = CircuitBreaker.waiting();
            ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource)
                    .retryPolicy(policy)
                    .retryBudget(budget)
                    .circuitBreaker(breaker)
                    .build();
            // end
            int attempt = executor.run(tx -> tx.attempt());
            executor.close();
            assertEquals(1, attempt);
            assertEquals(CircuitBreaker.State.CLOSED, breaker.state());
            assertEquals(new RetryBudget.Counts(100, 0, 0), budget.counts());
        }
    }
}
