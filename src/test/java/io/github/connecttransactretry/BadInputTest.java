package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.TimeSource;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.TransactionStatusResolver;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.postgresql.ds.PGSimpleDataSource;

/** What nobody can mean is refused before anything is connected to, by a sentence that names the thing and the mend. */
class BadInputTest {

    private static final TransactionOptions OPTIONS = TransactionOptions.defaults();
    private static final Duration SECOND = Duration.ofSeconds(1);
    private static final Duration NEGATIVE = Duration.ofNanos(-1);
    private static final Backoff NONE = Backoff.none();

    /** Leads nowhere: these tests must not get that far. */
    private static final ConnectionSource NOWHERE = () -> {
        throw new AssertionError("a connection was asked for");
    };

    private static ConnectTransactRetryBuilder builder() {
        return ConnectTransactRetry.builder(NOWHERE);
    }

    private static Arguments refused(String name, Class<? extends Exception> type, Executable call, String... words) {
        return Arguments.of(name, type, call, words);
    }

    private static Arguments isNull(String thing, Executable call) {
        return refused(thing, NullPointerException.class, call, thing);
    }

    private static Arguments illegal(String name, Executable call, String... words) {
        return refused(name, IllegalArgumentException.class, call, words);
    }

    static Stream<Arguments> nulls() {
        ConnectTransactRetry executor = builder().build();
        return Stream.of(
                isNull("function", () -> executor.run((TransactionalFunction<String, RuntimeException>) null)),
                isNull("function", () -> executor.run(OPTIONS, (TransactionalFunction<String, RuntimeException>) null)),
                isNull("options", () -> executor.run(null, Transaction::attempt)),
                isNull("action", () -> executor.execute((TransactionalAction<RuntimeException>) null)),
                isNull("options", () -> executor.execute(null, Transaction::rollbackOnly)),
                isNull("dataSource", () -> ConnectTransactRetry.builder((DataSource) null)),
                isNull("connections", () -> ConnectTransactRetry.builder((ConnectionSource) null)),
                isNull("retryPolicy", () -> builder().retryPolicy(null)),
                isNull("errorClassifier", () -> builder().classifier(null)),
                isNull("resolver", () -> builder().resolvers((CommitOutcomeResolver) null)),
                isNull("resolver", () -> builder().resolvers((CommitOutcomeResolver[]) null)),
                isNull("resolverDataSource", () -> builder().resolverDataSource(null)),
                isNull("listener", () -> builder().listener(null)),
                isNull("options", () -> builder().defaults(null)),
                isNull("commitSchema", () -> builder().schema(null)),
                isNull("timeSource", () -> builder().timeSource(null)),
                isNull("label", () -> OPTIONS.withLabel(null)),
                isNull("isolation", () -> OPTIONS.withIsolation(null)),
                isNull("access", () -> OPTIONS.withAccess(null)),
                isNull("timeout", () -> OPTIONS.withTimeout(null)),
                isNull("deadline", () -> OPTIONS.withDeadline(null)),
                isNull("action", () -> live().afterCommit(null)),
                isNull("action", () -> live().afterRollback(null)),
                isNull("action", () -> live().onUnknown(null)),
                isNull("delay", () -> Backoff.fixed(null)),
                isNull("first delay", () -> Backoff.exponential(null, SECOND)),
                isNull("cap", () -> Backoff.exponential(SECOND, null)),
                isNull("cap", () -> NONE.withDecorrelatedJitter(null)),
                isNull("conflict", () -> RetryPolicy.defaults().withConflictBackoff(null)),
                isNull("outage", () -> RetryPolicy.defaults().withOutageBackoff(null)),
                isNull("overload", () -> RetryPolicy.defaults().withOverloadBackoff(null)),
                isNull("sqlState", () -> PostgresClassifier.standard().alsoRetrying((String) null)),
                isNull("next", () -> PostgresClassifier.standard().orElse(null)));
    }

    private static Transaction live() {
        return new LiveTransaction(null, 1, Deadline.after(TimeSource.system(), SECOND));
    }

    static Stream<Arguments> illegals() {
        return Stream.of(
                illegal("zero timeout", () -> OPTIONS.withTimeout(Duration.ZERO), "timeout", "PT0S", "positive"),
                illegal("negative timeout", () -> OPTIONS.withTimeout(NEGATIVE), "timeout", "positive"),
                illegal("neither", () -> options(null, null), "timeout", "deadline", "always one"),
                illegal("both", () -> options(SECOND, Instant.EPOCH), "timeout", "deadline", "only one"),
                illegal("deferrable alone", () -> new TransactionOptions(Isolation.SESSION, Access.READ_ONLY, true,
                        SECOND, null, "", false, null, null, null), "DEFERRABLE", "SERIALIZABLE", "READ ONLY", "both"),
                illegal("deferrable and writing", () -> new TransactionOptions(Isolation.SERIALIZABLE, Access.READ_WRITE, true,
                        SECOND, null, "", false, null, null, null), "DEFERRABLE", "READ ONLY"),
                illegal("deferrable made writing", () -> OPTIONS.asDeferrable().withAccess(Access.READ_WRITE), "DEFERRABLE"),
                illegal("deferrable at a lower level", () -> OPTIONS.asDeferrable().withIsolation(Isolation.REPEATABLE_READ),
                        "DEFERRABLE"),
                illegal("no attempt", () -> RetryPolicy.defaults().withMaxAttempts(0), "maxAttempts is 0", "1 or more"),
                illegal("negative attempts", () -> RetryPolicy.defaults().withMaxAttempts(-3), "maxAttempts is -3", "1 or more"),
                illegal("negative losses", () -> RetryPolicy.defaults().withMaxBodyLosses(-1), "maxBodyLosses is -1", "0 or more"),
                illegal("negative doubts", () -> new RetryPolicy(1, 0, -1, NONE, NONE, NONE), "maxDoubtful is -1", "0 or more"),
                illegal("negative delay", () -> Backoff.fixed(NEGATIVE), "delay", "negative", "zero or more"),
                illegal("negative first", () -> Backoff.exponential(NEGATIVE, SECOND), "first delay", "negative"),
                illegal("negative cap", () -> Backoff.exponential(Duration.ZERO, NEGATIVE), "cap", "negative"),
                illegal("cap below first", () -> Backoff.exponential(SECOND, Duration.ZERO), "cap PT0S", "first delay PT1S", "swap"),
                illegal("negative cap", () -> NONE.withDecorrelatedJitter(NEGATIVE), "cap", "negative"),
                illegal("no resolver", () -> builder().resolvers(), "no resolver", "outcome(OutcomeMode.NONE)"),
                illegal("nobody in the pool", () -> builder().mostInPool(0), "mostInPool is 0", "at least 1"),
                illegal("unknown state", () -> PostgresClassifier.standard().alsoRetrying("99999"), "99999", "55P03", "ErrorClassifier"),
                illegal("class 22 opted in", () -> PostgresClassifier.standard().alsoRetrying("22012"), "22012", "ErrorClassifier"),
                illegal("the attempts' own pool", () -> {
                    DataSource same = new PGSimpleDataSource();
                    ConnectTransactRetry.builder(same).resolverDataSource(same);
                }, "resolverDataSource", "leave it out"),
                illegal("a pool that hands out open transactions", () -> hazardous().build(), "autoCommit=false",
                        "connectionTestQuery", "connectionInitSql", "isolateInternalQueries"));
    }

    private static TransactionOptions options(Duration timeout, Instant deadline) {
        return new TransactionOptions(Isolation.SESSION, Access.READ_WRITE, false, timeout, deadline, "", false, null, null, null);
    }

    private static ConnectTransactRetryBuilder hazardous() {
        HikariDataSource pool = new HikariDataSource();
        pool.setJdbcUrl("jdbc:postgresql://127.0.0.1:1/nowhere");
        pool.setAutoCommit(false);
        pool.setConnectionTestQuery("SELECT 1");
        return ConnectTransactRetry.builder(pool);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource({"nulls", "illegals"})
    void isRefusedByASentence(String name, Class<? extends Exception> type, Executable call, String[] words) {
        Exception refused = assertThrows(type, call);
        for (String word : words) {
            assertTrue(refused.getMessage() != null && refused.getMessage().contains(word),
                    () -> "\"" + refused.getMessage() + "\" does not say \"" + word + "\"");
        }
        boolean mended = type != NullPointerException.class || refused.getMessage().contains("null: give");
        assertTrue(mended, () -> "\"" + refused.getMessage() + "\" names no mend");
    }

    @Test
    void aClosedEngineSaysSo() {
        ConnectTransactRetry executor = builder().build();
        executor.close();
        executor.close();
        IllegalStateException closed = assertThrows(IllegalStateException.class, () -> executor.run(Transaction::attempt));
        assertTrue(closed.getMessage().contains("closed") && closed.getMessage().contains("build a new one"), closed::getMessage);
        assertThrows(IllegalStateException.class, () -> executor.execute(Transaction::rollbackOnly));
    }

    @Test
    void oddButLawfulInputIsTaken() {
        assertEquals(Instant.MIN, OPTIONS.withDeadline(Instant.MIN).deadline());
        assertEquals(Duration.ofSeconds(Long.MAX_VALUE), OPTIONS.withTimeout(Duration.ofSeconds(Long.MAX_VALUE)).timeout());
        assertFalse(OPTIONS.asDeferrable().evidenceAtBegin());
        HikariConfig lawful = new HikariConfig();
        lawful.setAutoCommit(false);
        lawful.setJdbcUrl("jdbc:postgresql://127.0.0.1:1/nowhere");
        lawful.setInitializationFailTimeout(-1);
        try (HikariDataSource pool = new HikariDataSource(lawful);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).resolvers(new TransactionStatusResolver()).build()) {
            assertThrows(NullPointerException.class, () -> executor.run(null));
        }
    }

    /** A deadline that a caller further up set long ago, or for ever: neither overflows. */
    @Test
    void deadlinesFarAwayAreKept() {
        CountDownLatch overdue = new CountDownLatch(1);
        ConnectionSource slow = () -> {
            try {
                overdue.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            return null;
        };
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(slow).build()) {
            DeadlineExceededException past = assertThrows(DeadlineExceededException.class,
                    () -> executor.run(OPTIONS.withDeadline(Instant.MIN), Transaction::attempt));
            assertTrue(past.getMessage().contains("time was over"), past::getMessage);
            overdue.countDown();
            for (TransactionOptions far : new TransactionOptions[] {OPTIONS.withDeadline(Instant.MAX),
                OPTIONS.withTimeout(Duration.ofSeconds(Long.MAX_VALUE))}) {
                assertThrows(TransactionFailedException.class, () -> executor.run(far, Transaction::attempt), "the source gives null");
            }
        }
    }
}
