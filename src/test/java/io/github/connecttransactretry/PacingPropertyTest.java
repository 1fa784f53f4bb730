package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionEvent.RetryScheduled;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

/** Random policies and random failures against a clock that is moved by hand, and an overloaded server. */
class PacingPropertyTest {

    private static final int TRIALS = 250;
    private static final Duration OVERRUN = Duration.ofSeconds(1);
    private static final List<String> STATES = List.of("40001", "40P01", "08006", "57P01", "53300", "57P03", "08P01", "22P02");

    private static TestDatabase database;

    private final ManualTime time = new ManualTime();
    private final RecordedEvents events = new RecordedEvents();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch(Map.of("max_connections", "12"));
        database.execute("CREATE ROLE app LOGIN");
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    private static Duration upTo(Random random, long millis) {
        return Duration.ofNanos(random.nextLong(1, millis * 1_000_000));
    }

    private static Backoff anyCurve(Random random) {
        Duration first = upTo(random, 1L << random.nextInt(1, 14));
        Duration cap = first.plus(upTo(random, 1L << random.nextInt(1, 16)));
        Backoff bare = random.nextInt(4) == 0 ? Backoff.fixed(first) : Backoff.exponential(first, cap);
        return switch (random.nextInt(4)) {
            case 0 -> bare;
            case 1 -> bare.withFullJitter();
            case 2 -> bare.withEqualJitter();
            default -> bare.withDecorrelatedJitter(cap);
        };
    }

    private static RetryPolicy anyPolicy(Random random) {
        int most = random.nextBoolean() ? RetryPolicy.UNLIMITED : random.nextInt(1, 8);
        return new RetryPolicy(most, random.nextInt(4), random.nextInt(4), anyCurve(random), anyCurve(random), anyCurve(random));
    }

    /**
     * Whatever fails, and wherever: no wait begins that outlives the deadline, none is longer than what is left, and the call
     * ends within a second of its deadline, or of the function that had let the deadline pass.
     */
    @Test
    void theDeadlineIsNotOverrunWhateverFails() {
        long seed = new Random().nextLong();
        System.out.println("PacingPropertyTest: seed " + seed);
        Random random = new Random(seed);
        int overdue = 0;
        int exhausted = 0;
        int done = 0;
        for (int trial = 0; trial < TRIALS; trial++) {
            Trial one = new Trial(new Random(random.nextLong()));
            Throwable thrown = one.run();
            overdue += thrown instanceof DeadlineExceededException ? 1 : 0;
            exhausted += thrown instanceof RetriesExhaustedException ? 1 : 0;
            done += thrown == null ? 1 : 0;
            one.check("trial " + trial + " of seed " + seed + ", ended with " + thrown);
        }
        System.out.println("PacingPropertyTest: " + TRIALS + " calls, overdue " + overdue + ", exhausted " + exhausted + ", done " + done);
        assertTrue(overdue > 0 && exhausted > 0 && done > 0, "the trials are all alike, seed " + seed);
    }

    /** One call: its own clock, policy, deadline and luck. */
    private static final class Trial {

        private final ManualTime clock = new ManualTime();
        private final Random random;
        private final RetryPolicy policy;
        private final Duration timeout;
        private final long began = clock.nanoTime();
        private final RecordedEvents told = new RecordedEvents();
        private final List<Duration> remainingAtStart = new ArrayList<>();
        private Duration lastLeft = Duration.ZERO;
        private Duration ended;

        Trial(Random random) {
            this.random = random;
            this.policy = anyPolicy(random);
            this.timeout = upTo(random, 1L << random.nextInt(4, 17));
            clock.random(random.nextDouble());
        }

        private Duration passed() {
            return Duration.ofNanos(clock.nanoTime() - began);
        }

        Throwable run() {
            boolean atConnect = random.nextInt(4) == 0;
            int luck = random.nextInt(2, 30);
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(() -> {
                if (atConnect) {
                    trouble(luck);
                }
                return database.server().connect();
            }).connectOnCallerThread().timeSource(clock).listener(told).retryPolicy(policy).build()) {
                engine.execute(TransactionOptions.defaults().withTimeout(timeout), tx -> trouble(luck));
                return null;
            } catch (SQLException | RuntimeException thrown) {
                return thrown;
            } finally {
                ended = passed();
            }
        }

        private void trouble(int luck) throws SQLException {
            remainingAtStart.add(timeout.minus(passed()));
            clock.random(random.nextDouble());
            clock.advance(upTo(random, 1L << random.nextInt(1, 12)));
            lastLeft = passed();
            if (random.nextInt(luck) != 0) {
                throw new SQLException("trouble", STATES.get(random.nextInt(random.nextInt(4) == 0 ? STATES.size() : 2)));
            }
        }

        void check(String what) {
            assertTrue(remainingAtStart.stream().noneMatch(Duration::isNegative), () -> what + ": begun after the deadline: " + remainingAtStart);
            Duration most = lastLeft.compareTo(timeout) > 0 ? lastLeft : timeout;
            assertTrue(ended.compareTo(most.plus(OVERRUN)) <= 0, () -> what + ": took " + ended + " of " + timeout);
            long attempts = told.of(TransactionEvent.AttemptStarted.class).size();
            assertTrue(attempts <= policy.maxAttempts(), () -> what + ": " + attempts + " attempts");
            assertEquals(clock.sleeps(), told.of(RetryScheduled.class).stream().map(e -> e.failure().delay()).toList(), what);
        }
    }

    /** It is known already, so that nothing but the clock says that it is late. */
    @Test
    void aConnectionThatComesTooLateIsNotUsed() throws SQLException {
        List<String> called = new ArrayList<>();
        TransactionOptions second = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(1));
        try (HikariDataSource pool = database.pool(1, ""); ConnectTransactRetry engine = ConnectTransactRetry.builder(() -> {
            time.advance(Duration.ofSeconds(called.size() * 2L));
            return pool.getConnection();
        }).connectOnCallerThread().timeSource(time).build()) {
            engine.execute(second, tx -> called.add("in time"));
            assertThrows(DeadlineExceededException.class, () -> engine.execute(second, tx -> called.add("late")));
            assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
        }
        assertEquals(List.of("in time"), called);
    }

    /** All connections are taken: the engine waits on the curve for that, and a conflict in the same call on its own. */
    @Test
    void anOverloadedServerIsPacedApartFromConflicts() throws SQLException {
        RetryPolicy policy = new RetryPolicy(RetryPolicy.UNLIMITED, 2, 2, Backoff.fixed(Duration.ofMillis(3)),
                Backoff.fixed(Duration.ofMillis(70)), Backoff.exponential(Duration.ofMillis(500), Duration.ofSeconds(4)));
        PGSimpleDataSource app = database.plain("");
        app.setUser("app");
        List<Connection> taken = new ArrayList<>();
        takeAll(app, taken);
        assertTrue(taken.size() >= 5, "the server let in only " + taken.size());
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder(app).timeSource(time).retryPolicy(policy).listener(events)
                .listener(event -> {
                    if (event instanceof RetryScheduled && events.of(RetryScheduled.class).size() == 5) {
                        giveBack(taken);
                    }
                }).build()) {
            int attempts = engine.run(TransactionOptions.defaults().withTimeout(Duration.ofMinutes(5)), tx -> {
                if (events.of(RetryScheduled.class).size() < 7) {
                    throw new SQLException("conflict", "40001");
                }
                return tx.attempt();
            });
            assertEquals(8, attempts);
        } finally {
            giveBack(taken);
        }
        assertEquals(List.of(500L, 1000L, 2000L, 4000L, 4000L, 3L, 3L), time.sleeps().stream().map(Duration::toMillis).toList());
        assertEquals(List.of("53300 OVERLOAD", "40001 CONFLICT"), events.of(RetryScheduled.class).stream().map(RetryScheduled::failure)
                .map((AttemptFailure f) -> f.sqlState() + " " + f.verdict()).distinct().toList());
    }

    private static void takeAll(PGSimpleDataSource app, List<Connection> taken) throws SQLException {
        while (true) {
            try {
                taken.add(app.getConnection());
            } catch (SQLException full) {
                assertEquals("53300", full.getSQLState());
                return;
            }
        }
    }

    private static void giveBack(List<Connection> taken) {
        try {
            for (Connection connection : taken) {
                connection.close();
            }
            taken.clear();
            Await.until("the server has room again", Duration.ofSeconds(20),
                    () -> database.count("pg_stat_activity WHERE usename = 'app'") == 0);
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }
}
