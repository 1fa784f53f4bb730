package io.github.connecttransactretry;

import static io.github.connecttransactretry.KeyedScene.claimed;
import static io.github.connecttransactretry.KeyedScene.freshKey;
import static io.github.connecttransactretry.KeyedScene.work;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.KeyedScene.Work;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Callers with the same key at the same time. */
class KeyRaceTest {

    private static final RetryPolicy ONE_ATTEMPT = RetryPolicy.defaults().withMaxAttempts(1);
    private static final String WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            + " AND query LIKE '%commit_ledger%'";
    private static final String SERIALIZABLE_SESSION = "-c default_transaction_isolation=serializable";

    private static KeyedScene keyed;

    @BeforeAll
    static void open() throws SQLException {
        keyed = KeyedScene.open();
    }

    @AfterAll
    static void close() {
        keyed.close();
    }

    @AfterEach
    void nobodyWaits() {
        keyed.scene().script(WireScript.pass());
        Await.until("the end of all waits for a key", CommitScene.PATIENCE, () -> waiters() == 0);
    }

    /** Who claims the key before the function. */
    private enum Claims { NOBODY, EVERYBODY, HALF }

    @ParameterizedTest
    @EnumSource(Claims.class)
    void eachKeyTakesEffectOnceAndAllItsCallersGetTheSame(Claims claims) throws SQLException {
        long seed = System.nanoTime();
        System.out.println("KeyRaceTest " + claims + ": seed " + seed);
        List<String> keys = Stream.generate(KeyedScene::freshKey).limit(60).toList();
        Map<String, Set<String>> answers = new ConcurrentHashMap<>();
        List<Caller<Void>> callers = new ArrayList<>();
        try (HikariDataSource one = pool(4); HikariDataSource two = pool(4);
                ConnectTransactRetry first = engine(one).build(); ConnectTransactRetry second = engine(two).build()) {
            for (int caller = 0; caller < 8; caller++) {
                ConnectTransactRetry engine = caller % 2 == 0 ? first : second;
                boolean claimed = claims == Claims.EVERYBODY || claims == Claims.HALF && caller % 4 < 2;
                String name = seed + "-" + caller;
                // In pairs over the same keys in the same order, which is where they meet.
                List<String> order = new ArrayList<>(keys);
                Collections.shuffle(order, new Random(seed + caller / 4));
                callers.add(Caller.start(() -> {
                    for (String key : order) {
                        String answer = engine.run(options(key, claimed), work(key, name));
                        answers.computeIfAbsent(key, k -> ConcurrentHashMap.newKeySet()).add(answer);
                    }
                    return null;
                }));
            }
            callers.forEach(caller -> caller.ending().returned());
        }
        for (String key : keys) {
            assertEquals(1, keyed.effects(key).size(), () -> key + " has the effects of " + answers.get(key));
            assertEquals(Set.of(keyed.effects(key).get(0)), answers.get(key), key);
        }
    }

    /** The other call takes effect while this one's function runs, so that this one loses at COMMIT, every time. */
    @ParameterizedTest
    @EnumSource(Isolation.class)
    void loserGetsTheStoredResultEvenWithOneAttempt(Isolation isolation) throws SQLException {
        String key = freshKey();
        TransactionOptions options = options(key, false).withIsolation(isolation);
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry winner = keyed.engine(new Chronicle()).build();
                ConnectTransactRetry loser = keyed.engine(chronicle).retryPolicy(ONE_ATTEMPT).build()) {
            assertEquals("winner", loser.run(options, tx -> {
                assertEquals(1, tx.attempt(), "the loser's function ran again");
                KeyedScene.leave(tx, key, "loser");
                tx.afterCommit(() -> chronicle.note("the loser's hook"));
                assertEquals("winner", winner.run(options, work(key, "winner")));
                return "loser";
            }));
        }
        assertEquals("23505", chronicle.only(AttemptFailed.class).failure().sqlState());
        assertEquals(List.of("StoredResultReturned"), chronicle.order(StoredResultReturned.class));
        assertEquals(List.of("winner"), keyed.effects(key));
    }

    /** Each repeat writes to the row; at the session's SERIALIZABLE two that meet there would be a conflict. */
    @Test
    void repeatsAtTheSameTimeDoNotFailEachOther() throws SQLException {
        String key = freshKey();
        int callers = 8;
        try (ConnectTransactRetry engine = keyed.engine(new Chronicle(), SERIALIZABLE_SESSION).retryPolicy(ONE_ATTEMPT).build()) {
            engine.run(options(key, false), work(key, "first"));
            List<Caller<Void>> repeats = new ArrayList<>();
            for (int caller = 0; caller < callers; caller++) {
                repeats.add(Caller.start(() -> {
                    for (int call = 0; call < 20; call++) {
                        assertEquals("first", engine.run(options(key, false), work(key, "again")));
                    }
                    return null;
                }));
            }
            repeats.forEach(repeat -> repeat.ending().returned());
        }
        assertEquals(List.of("first"), keyed.effects(key));
    }

    static Stream<Arguments> isolations() {
        return Stream.of(Isolation.values()).flatMap(level -> Stream.of(true, false)
                .map(firstCommits -> arguments(level, firstCommits)));
    }

    /** The second caller's function does not run while the first one's does; afterwards only if that came to nothing. */
    @ParameterizedTest
    @MethodSource("isolations")
    void claimantWaitsForTheOneBefore(Isolation isolation, boolean firstCommits) throws SQLException {
        String key = freshKey();
        TransactionOptions options = options(key, true).withIsolation(isolation);
        Chronicle chronicle = new Chronicle();
        Work<String> second = work(key, "second");
        try (ConnectTransactRetry engine = keyed.engine(new Chronicle()).build();
                ConnectTransactRetry other = keyed.engine(chronicle).retryPolicy(ONE_ATTEMPT).build()) {
            Holder holder = new Holder(key, firstCommits);
            Caller<String> first = Caller.start(() -> engine.run(options, holder));
            holder.awaitInside();
            Caller<String> waiter = Caller.start(() -> other.run(options, second));
            Await.until("the second claim to wait", CommitScene.PATIENCE, () -> waiters() == 1);
            assertEquals(0, second.runs());
            assertFalse(waiter.isDone());
            holder.goOn();
            assertEquals("first", first.ending().returned());
            assertEquals(firstCommits ? "first" : "second", waiter.ending().returned());
        }
        assertEquals(firstCommits ? 0 : 1, second.runs());
        assertEquals(firstCommits ? 1 : 0, chronicle.all(StoredResultReturned.class).size());
        assertEquals(List.of(firstCommits ? "first" : "second"), keyed.effects(key));
    }

    /** One that does not claim does its work meanwhile and waits in its COMMIT. */
    @Test
    void callerThatDoesNotClaimLosesToOneThatDid() throws SQLException {
        String key = freshKey();
        Work<String> second = work(key, "second");
        try (ConnectTransactRetry engine = keyed.engine(new Chronicle()).build();
                ConnectTransactRetry other = keyed.engine(new Chronicle()).retryPolicy(ONE_ATTEMPT).build()) {
            Holder holder = new Holder(key, true);
            Caller<String> first = Caller.start(() -> engine.run(options(key, true), holder));
            holder.awaitInside();
            Caller<String> waiter = Caller.start(() -> other.run(options(key, false), second));
            Await.until("the second COMMIT to wait", CommitScene.PATIENCE, () -> waiters() == 1);
            assertEquals(1, second.runs());
            holder.goOn();
            assertEquals("first", first.ending().returned());
            assertEquals("first", waiter.ending().returned());
        }
        assertEquals(1, second.runs());
        assertEquals(List.of("first"), keyed.effects(key));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void waiterWhoseTimeIsOverSaysSoAndLeavesNothingBehind(boolean claims) throws SQLException {
        String key = freshKey();
        Work<String> second = work(key, "second");
        try (HikariDataSource pool = pool(1); ConnectTransactRetry other = engine(pool).build();
                ConnectTransactRetry engine = keyed.engine(new Chronicle()).build()) {
            Holder holder = new Holder(key, true);
            Caller<String> first = Caller.start(() -> engine.run(options(key, true), holder));
            holder.awaitInside();
            TransactionOptions brief = options(key, claims).withTimeout(CommitScene.SHORT.timeout());
            Caller.Ending<String> waiter = Caller.start(() -> other.run(brief, second)).ending();
            requireOutOfTime(waiter, claims);
            assertTrue(waiter.took().compareTo(brief.timeout().plusSeconds(3)) < 0, () -> "took " + waiter.took());
            assertEquals(claims, second.runs() == 0, () -> "ran " + second.runs() + " times");
            // Its backend does not go on waiting, and the pool's only place is free again.
            Await.until("the end of the wait", CommitScene.PATIENCE, () -> waiters() == 0);
            String elsewhere = freshKey();
            assertEquals("usable", other.run(options(elsewhere, claims), work(elsewhere, "usable")));
            holder.goOn();
            assertEquals("first", first.ending().returned());
            assertEquals("first", other.run(options(key, claims), second));
        }
        assertEquals(List.of("first"), keyed.effects(key));
    }

    /** One that waits in its COMMIT may be in doubt when its time is over. */
    private static void requireOutOfTime(Caller.Ending<String> waiter, boolean claims) {
        if (!claims && waiter.thrown() instanceof CommitOutcomeUnknownException unknown) {
            try (ConnectTransactRetry later = keyed.engine(new Chronicle()).build()) {
                assertInstanceOf(CommitOutcome.NotCommitted.class, later.resolve(unknown.evidence().orElseThrow()));
            }
        } else {
            assertInstanceOf(DeadlineExceededException.class, waiter.thrown(), () -> "returned " + waiter.value());
        }
    }

    /** The connection is lost in the function and its server does not know: the claim stays until somebody ends it. */
    @ParameterizedTest
    @EnumSource(value = WireAction.class, names = {"HOLD_AND_CUT", "BLACK_HOLE_BEFORE"})
    void claimOfALostConnectionIsFencedAndTheCallGoesOn(WireAction action) throws SQLException {
        String key = freshKey();
        keyed.scene().script(WireScript.once(request -> request.mentions("INSERT INTO work"), action));
        Chronicle chronicle = new Chronicle();
        var sessions = keyed.scene().dataSource(keyed.scene().proxy().port(), "postgres");
        sessions.setSocketTimeout(1);
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder(() -> sessions.getConnection()).listener(chronicle)
                .outcome(OutcomeMode.LEDGER).build()) {
            Work<String> work = work(key, "done");
            assertEquals("done", engine.run(options(key, true).withTimeout(CommitScene.PATIENCE), work));
            assertTrue(work.runs() >= 2, "the connection was not lost in the function");
        }
        assertEquals(Result.TERMINATED, chronicle.all(Fenced.class).get(0).result());
        assertFalse(keyed.scene().releaseHeld().contains("INSERT 0 1"));
        assertEquals(List.of("done"), keyed.effects(key));
    }

    /** Work that stays in the function until it is let go on. */
    private static final class Holder implements TransactionalFunction<String, Exception> {

        private final String key;
        private final boolean commits;
        private final CountDownLatch inside = new CountDownLatch(1);
        private final CountDownLatch goOn = new CountDownLatch(1);

        Holder(String key, boolean commits) {
            this.key = key;
            this.commits = commits;
        }

        @Override
        public String apply(Transaction tx) throws Exception {
            KeyedScene.leave(tx, key, "first");
            inside.countDown();
            require(goOn);
            if (!commits) {
                tx.rollbackOnly();
            }
            return "first";
        }

        void awaitInside() {
            try {
                require(inside);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        void goOn() {
            goOn.countDown();
        }

        private static void require(CountDownLatch latch) throws InterruptedException {
            assertTrue(latch.await(30, TimeUnit.SECONDS), "it never came");
        }
    }

    private static int waiters() throws SQLException {
        return Integer.parseInt(keyed.scene().ask(WAITERS));
    }

    private static HikariDataSource pool(int size) {
        return Pools.hikari(keyed.scene().server(), keyed.scene().server().port(), size);
    }

    private static ConnectTransactRetryBuilder engine(HikariDataSource pool) {
        return ConnectTransactRetry.builder(pool).outcome(OutcomeMode.LEDGER);
    }

    private static TransactionOptions options(String key, boolean claimed) {
        return TransactionOptions.idempotencyKey(claimed(IdempotencyKey.of(key).withResult(ResultCodec.text()), claimed))
                .withTimeout(Duration.ofSeconds(40));
    }
}
