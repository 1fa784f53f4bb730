package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * An asynchronous standby that lies behind takes over. PostgreSQL then discards commits that it has acknowledged; no client can
 * help that, and the audit counts them as lost. What the engine can do it does: no call takes effect twice, and what it
 * finds out after the promotion is true of the history that survived.
 */
@Tag("matrix")
class AsynchronousFailoverTest {

    private static final int ROUNDS = 3;

    private static final List<WireAction> IN_FLIGHT =
            List.of(WireAction.BLACK_HOLE_AFTER, WireAction.BLACK_HOLE_BEFORE, WireAction.BLACK_HOLE_AFTER);

    private final long seed = System.nanoTime();
    private final DoubtLog doubts = new DoubtLog();
    private final Set<String> discarded = new TreeSet<>();
    private FailoverScene scene;

    @BeforeEach
    void open() throws SQLException {
        scene = FailoverScene.open(false, Traffic.THREADS);
    }

    @AfterEach
    void close() {
        scene.close();
    }

    @ParameterizedTest
    @EnumSource(names = {"LEDGER", "STATUS_THEN_LEDGER", "STATUS"})
    void answersFitTheHistoryThatSurvived(OutcomeMode mode) throws SQLException {
        System.out.println("asynchronous failover, " + mode + ": seed " + seed);
        long money = scene.money();
        // Here a lost connection is no sign of a statement that kills its backend.
        ConnectTransactRetry engine = ConnectTransactRetry.builder(scene.pool()).outcome(mode).listener(doubts)
                .retryPolicy(RetryPolicy.defaults().withMaxBodyLosses(10_000)).build();
        try (Traffic traffic = Traffic.begin(scene, engine, new SplittableRandom(seed))) {
            for (int round = 1; round <= ROUNDS; round++) {
                failOver(traffic, round);
            }
        }
        AuditReport report = scene.audited();
        System.out.println("asynchronous failover, " + mode + ": " + doubts.asked() + " in doubt; acknowledged "
                + report.acknowledged() + ", of these discarded by the promotions (the audit's lost) " + report.lost()
                + ", failed " + report.failed() + ", doubled " + report.doubled() + ", wrong " + report.wrong() + ", unknown "
                + report.unknown().size());
        assertEquals(0, report.doubled() + report.wrong() + report.failed(), report::toString);
        assertTrue(report.lost() >= discarded.size(), () -> report.lost() + " lost, but sure to be discarded were " + discarded);
        if (mode != OutcomeMode.STATUS) {
            assertTrue(report.unknown().isEmpty(), report::toString);
            assertTrue(DoubtLog.count(doubts.answers(), Committed.class) > 0, "what had reached the standby is committed");
        }
        assertEquals(money, scene.money());
    }

    private void failOver(Traffic traffic, int round) throws SQLException {
        traffic.pause();
        scene.addStandby();
        assertEquals("async", scene.syncState());
        traffic.resume();
        int known = doubts.answers().size();
        // One answer is lost whose commit gets to the standby.
        scene.catchCommits(List.of(WireAction.BLACK_HOLE_AFTER));
        traffic.awaitAcknowledged(2 * Traffic.THREADS);
        scene.awaitReplicated();
        scene.holdReplicationUp();
        int begun = traffic.begun();
        traffic.awaitAcknowledged(3 * Traffic.THREADS);
        Set<String> unreplicated = traffic.acknowledged();
        unreplicated.removeIf(call -> Integer.parseInt(call) <= begun);
        scene.catchCommits(IN_FLIGHT);
        scene.failOver();
        traffic.awaitAcknowledged(2 * Traffic.THREADS);
        doubts.awaitAnswers(known + 1 + IN_FLIGHT.size());
        check(round, doubts.answersAfter(known), unreplicated);
    }

    /** Before the next promotion, which will discard some of what is answered now. */
    private void check(int round, List<DoubtLog.Answer> answers, Set<String> unreplicated) throws SQLException {
        String timeline = scene.timeline();
        Map<String, List<Integer>> effects = scene.effects();
        assertTrue(unreplicated.size() >= Traffic.THREADS, () -> "acknowledged and not replicated: " + unreplicated);
        assertEquals(Set.of(), common(unreplicated, effects.keySet()), "what never reached the standby");
        discarded.addAll(unreplicated);
        List<DoubtLog.Answer> late = answers.stream().filter(answer -> answer.timeline().equals(timeline)).toList();
        System.out.println("  round " + round + ": acknowledged and discarded at least " + unreplicated.size() + "; in doubt "
                + answers.size() + ", answered by the new primary: committed " + DoubtLog.count(late, Committed.class)
                + ", not committed " + DoubtLog.count(late, NotCommitted.class) + "; unknown "
                + DoubtLog.count(answers, Unknown.class));
        assertEquals(List.of(), late.stream().filter(answer -> answer.isFalse(effects)).toList());
        assertEquals(answers.size(), late.size() + DoubtLog.count(answers, Unknown.class), "all were asked after the promotion");
        assertTrue(!late.isEmpty(), "some could be answered");
    }

    private static Set<String> common(Set<String> some, Set<String> others) {
        Set<String> common = new TreeSet<>(some);
        common.retainAll(others);
        return common;
    }
}
