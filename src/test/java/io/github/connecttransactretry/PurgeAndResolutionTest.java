package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerPurge;
import io.github.connecttransactretry.outcome.LedgerToken;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A purge and a resolution at the same time: one waits for the other, and no answer is wrong whichever is first. */
class PurgeAndResolutionTest {

    private static final CommitSchema SCHEMA = CommitSchema.standard();
    private static final String RAISE = "UPDATE connect_transact_retry.commit_ledger_watermark SET purged_before = clock_timestamp()";
    private static final CommitLedger QUICK = CommitLedger.in(SCHEMA).withAllowedSkew(Duration.ZERO)
            .withLongestCall(Duration.ofNanos(1));
    private static final int WORKERS = 4;
    private static final int DOUBTS = 120;

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        SCHEMA.install(scene.dataSource());
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        scene.releaseHeld();
        scene.script(WireScript.pass());
        scene.execute("TRUNCATE " + SCHEMA.ledger(), "UPDATE connect_transact_retry.commit_ledger_watermark SET purged_before = '-infinity'");
    }

    private static ConnectTransactRetryBuilder engine(Chronicle chronicle) {
        return scene.engine(chronicle).outcome(OutcomeMode.LEDGER).allowedClockSkew(Duration.ZERO).fencing(false);
    }

    private static CommitEvidence inDoubt(WireAction action) {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> scene.proxy().refuse(true));
        CommitEvidence evidence = scene.call(engine(chronicle), CommitScene.SHORT).unknown().evidence().orElseThrow();
        scene.proxy().refuse(false);
        chronicle.requireActed();
        return evidence;
    }

    private static CommitOutcome resolve(CommitEvidence evidence) {
        try (ConnectTransactRetry executor = engine(new Chronicle()).build()) {
            return executor.resolve(evidence);
        }
    }

    private static void awaitBlocked(String statement) {
        Await.until("a session that waits in " + statement, CommitScene.PATIENCE, () -> !scene.ask("SELECT count(*) FROM pg_stat_activity"
                + " WHERE wait_event_type = 'Lock' AND query LIKE '%" + statement + "%' AND pid <> pg_backend_pid()").equals("0"));
    }

    /** The purge has deleted the row and raised the watermark, and is not yet through. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void resolutionOfACommittedCallWaitsForAPurgeThatCameFirst(boolean purged) throws SQLException {
        CommitEvidence evidence = inDoubt(WireAction.CUT_AFTER);
        Caller<CommitOutcome> resolution;
        try (Connection purge = scene.server().connect(); Statement statement = purge.createStatement()) {
            purge.setAutoCommit(false);
            statement.execute(RAISE);
            statement.execute("DELETE FROM " + SCHEMA.ledger());
            resolution = Caller.start(() -> resolve(evidence));
            awaitBlocked("DO UPDATE SET asked");
            assertFalse(resolution.isDone());
            if (purged) {
                purge.commit();
            } else {
                purge.rollback();
            }
        }
        CommitOutcome outcome = resolution.ending().returned();
        assertEquals(purged ? Unknown.class : Committed.class, outcome.getClass(), outcome::toString);
        assertEquals(purged ? 0 : 1, QUICK.figures(scene.dataSource()).rows());
    }

    /** There is no row, so that the tombstone goes in at once; what it waits for is the watermark. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void resolutionOfALostCallWaitsForAPurgeThatCameFirst(boolean purged) throws SQLException {
        CommitEvidence evidence = inDoubt(WireAction.CUT_BEFORE);
        Caller<CommitOutcome> resolution;
        try (Connection purge = scene.server().connect(); Statement statement = purge.createStatement()) {
            purge.setAutoCommit(false);
            statement.execute(RAISE);
            resolution = Caller.start(() -> resolve(evidence));
            awaitBlocked("FOR SHARE");
            assertFalse(resolution.isDone());
            if (purged) {
                purge.commit();
            } else {
                purge.rollback();
            }
        }
        CommitOutcome outcome = resolution.ending().returned();
        assertEquals(purged ? Unknown.class : NotCommitted.class, outcome.getClass(), outcome::toString);
        assertEquals(purged ? 0 : 1, QUICK.figures(scene.dataSource()).rows());
    }

    /** Lets a resolver's COMMIT through only when it is told to. */
    private static final class Gate implements WireScript {

        private final Map<Integer, Boolean> resolvers = new ConcurrentHashMap<>();
        private final CountDownLatch reached = new CountDownLatch(1);
        private final CountDownLatch open = new CountDownLatch(1);

        @Override
        public WireAction onRequest(WireRequest request) {
            if (request.mentions("'tombstone'")) {
                resolvers.put(request.session(), true);
            }
            if (request.isCommit() && resolvers.containsKey(request.session())) {
                reached.countDown();
                try {
                    return open.await(1, TimeUnit.MINUTES) ? WireAction.PASS : WireAction.CUT_BEFORE;
                } catch (InterruptedException e) {
                    return WireAction.CUT_BEFORE;
                }
            }
            return WireAction.PASS;
        }
    }

    @Test
    void purgeWaitsForATombstoneThatCameFirst() throws Exception {
        CommitEvidence evidence = inDoubt(WireAction.HOLD_AND_CUT);
        Gate gate = new Gate();
        scene.script(gate);
        Caller<CommitOutcome> resolution = Caller.start(() -> resolve(evidence));
        assertTrue(gate.reached.await(1, TimeUnit.MINUTES), "the resolver's COMMIT");
        Caller<LedgerPurge> purge = Caller.start(() -> QUICK.purge(scene.dataSource(), Duration.ofMillis(1)));
        awaitBlocked("purged_before = GREATEST");
        assertFalse(purge.isDone() || resolution.isDone());
        gate.open.countDown();
        assertInstanceOf(NotCommitted.class, resolution.ending().returned());
        assertEquals(0, purge.ending().returned().tombstones(), "the transaction that it keeps out is still open");
        assertEquals(List.of("ERROR 23505"), scene.releaseHeld());
        assertInstanceOf(NotCommitted.class, resolve(evidence));
    }

    /** A committed row needs no watermark: the purge goes past what the resolver holds, and leaves it for the next time. */
    @Test
    void purgeLeavesTheRowThatAResolverHolds() throws Exception {
        CommitEvidence evidence = inDoubt(WireAction.CUT_AFTER);
        Gate gate = new Gate();
        scene.script(gate);
        Caller<CommitOutcome> resolution = Caller.start(() -> resolve(evidence));
        assertTrue(gate.reached.await(1, TimeUnit.MINUTES), "the resolver's COMMIT");
        assertEquals(0, QUICK.purge(scene.dataSource(), Duration.ofMillis(1)).rows());
        gate.open.countDown();
        assertInstanceOf(Committed.class, resolution.ending().returned());
        assertEquals(1, QUICK.purge(scene.dataSource(), Duration.ofMillis(1)).rows());
        assertInstanceOf(Unknown.class, resolve(evidence));
    }

    @Test
    void underStressNoAnswerIsWrongAndNothingFails() throws SQLException {
        long seed = System.nanoTime();
        System.out.println("PurgeAndResolutionTest seed " + seed);
        CommitEvidence pattern = inDoubt(WireAction.CUT_BEFORE);
        Stress stress = new Stress(pattern);
        List<Caller<?>> callers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Random random = new Random(seed - 1 - i);
            callers.add(Caller.start(() -> stress.purgeUntilDone(random)));
        }
        List<Caller<Boolean>> workers = new ArrayList<>();
        for (int i = 0; i < WORKERS; i++) {
            Random random = new Random(seed + i);
            workers.add(Caller.start(() -> stress.work(random)));
        }
        try {
            workers.forEach(worker -> worker.ending().returned());
        } finally {
            stress.done.set(true);
        }
        callers.forEach(purger -> purger.ending().returned());
        System.out.println("PurgeAndResolutionTest: " + stress.counts + ", purges " + stress.purges);
        assertEquals(List.of(), stress.wrong, "seed " + seed);
        assertTrue(stress.counts.keySet().containsAll(List.of("there Committed", "there Unknown", "open Committed",
                "late NotCommitted")), stress.counts::toString);
    }

    /** Doubts whose truth is known, resolved while others purge what is a few milliseconds old. */
    private static final class Stress {

        private final CommitEvidence pattern;
        private final AtomicBoolean done = new AtomicBoolean();
        private final AtomicInteger purges = new AtomicInteger();
        private final Map<String, Integer> counts = new ConcurrentHashMap<>();
        private final List<String> wrong = Collections.synchronizedList(new ArrayList<>());

        Stress(CommitEvidence pattern) {
            this.pattern = pattern;
        }

        Boolean purgeUntilDone(Random random) throws SQLException {
            while (!done.get()) {
                QUICK.purge(scene.dataSource(), Duration.ofMillis(1 + random.nextInt(20)));
                purges.incrementAndGet();
            }
            return true;
        }

        Boolean work(Random random) throws SQLException {
            try (ConnectTransactRetry executor = engine(new Chronicle()).build(); Connection own = scene.server().connect()) {
                own.setAutoCommit(false);
                for (int i = 0; i < DOUBTS / WORKERS; i++) {
                    doubt(random, executor, own);
                }
            }
            return true;
        }

        private void doubt(Random random, ConnectTransactRetry executor, Connection own) throws SQLException {
            CommitEvidence evidence = pattern.with(new LedgerToken(pattern.ledger().ledger(), UUID.randomUUID(), now(own)));
            switch (random.nextInt(3)) {
                case 0:
                    write(own, evidence);
                    own.commit();
                    if (random.nextBoolean()) {
                        int before = purges.get();
                        Await.until("two purges", CommitScene.PATIENCE, () -> purges.get() > before + 1);
                    }
                    judge("there", executor.resolve(evidence), false);
                    break;
                case 1:
                    write(own, evidence);
                    Caller<CommitOutcome> resolution = Caller.start(() -> executor.resolve(evidence));
                    own.commit();
                    judge("open", resolution.ending().returned(), false);
                    break;
                default:
                    CommitOutcome outcome = executor.resolve(evidence);
                    judge("late", outcome, true);
                    lateCommit(own, evidence, outcome);
            }
        }

        private static Instant now(Connection own) throws SQLException {
            try (Statement statement = own.createStatement(); ResultSet row = statement.executeQuery("SELECT clock_timestamp()")) {
                row.next();
                return row.getObject(1, OffsetDateTime.class).toInstant();
            }
        }

        private static void write(Connection own, CommitEvidence evidence) throws SQLException {
            try (PreparedStatement insert = own.prepareStatement("INSERT INTO " + SCHEMA.ledger() + " (token, kind) VALUES (?, 'committed')")) {
                insert.setObject(1, evidence.ledger().token());
                insert.execute();
            }
        }

        private void judge(String truth, CommitOutcome outcome, boolean mayBeDenied) {
            counts.merge(truth + " " + outcome.getClass().getSimpleName(), 1, Integer::sum);
            boolean right = outcome instanceof NotCommitted ? mayBeDenied : outcome instanceof Committed ? !mayBeDenied
                    : outcome.reason().contains("purged");
            if (!right) {
                wrong.add(truth + ": " + outcome);
            }
        }

        /** The transaction was open all the time: whatever was purged since, a denied one must not get in. */
        private void lateCommit(Connection own, CommitEvidence evidence, CommitOutcome outcome) throws SQLException {
            try {
                write(own, evidence);
                own.commit();
                if (outcome instanceof NotCommitted) {
                    wrong.add("committed after all: " + outcome);
                }
            } catch (SQLException keptOut) {
                own.rollback();
                if (!keptOut.getSQLState().equals("23505")) {
                    throw keptOut;
                }
            }
        }
    }
}
