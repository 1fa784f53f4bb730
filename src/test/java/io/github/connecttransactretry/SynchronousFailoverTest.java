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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The primary is killed again and again with COMMITs in flight, and its synchronous standby takes over. The ledger knows what
 * became of each; transaction ids do not know all, but what they say is true.
 */
@Tag("matrix")
class SynchronousFailoverTest {

    private static final int LEDGER_ROUNDS = 14;
    private static final int CHAIN_ROUNDS = 6;
    private static final int STATUS_ROUNDS = 4;

    /** So many COMMITs at least are in flight when the primary is killed. */
    private static final int SURE = 2;

    private final long seed = System.nanoTime();
    private final SplittableRandom chance = new SplittableRandom(seed);
    private final DoubtLog doubts = new DoubtLog();
    private FailoverScene scene;
    private long money;

    @BeforeEach
    void open() throws SQLException {
        scene = FailoverScene.open(true, Traffic.THREADS);
        money = scene.money();
    }

    @AfterEach
    void close() {
        scene.close();
    }

    @Test
    void theLedgerKnowsWhatBecameOfEveryCommit() throws SQLException {
        System.out.println("synchronous failover by ledger: seed " + seed);
        ConnectTransactRetry chain = engine(OutcomeMode.STATUS_THEN_LEDGER);
        try (Traffic traffic = Traffic.begin(scene, engine(OutcomeMode.LEDGER), chance)) {
            for (int round = 1; round <= LEDGER_ROUNDS + CHAIN_ROUNDS; round++) {
                if (round > LEDGER_ROUNDS) {
                    traffic.through(chain);
                }
                failOver(traffic, round);
            }
        }
        AuditReport report = audited("ledger");
        assertEquals(List.of(), doubts.answers().stream().filter(answer -> answer.outcome() instanceof Unknown).toList());
        assertTrue(report.unknown().isEmpty(), report::toString);
        assertTrue(doubts.asked() >= LEDGER_ROUNDS + CHAIN_ROUNDS, "COMMITs were in flight: " + doubts.asked());
    }

    @Test
    void transactionIdsNeverSayCommittedOfWhatIsNot() throws SQLException {
        System.out.println("synchronous failover by transaction id: seed " + seed);
        try (Traffic traffic = Traffic.begin(scene, engine(OutcomeMode.STATUS), chance)) {
            for (int round = 1; round <= STATUS_ROUNDS; round++) {
                failOver(traffic, round);
            }
        }
        AuditReport report = audited("transaction id");
        assertEquals(DoubtLog.count(doubts.answers(), Unknown.class), report.unknown().size(), report::toString);
        assertTrue(DoubtLog.count(doubts.answers(), NotCommitted.class) > 0, "the loss of what was not replicated is known");
    }

    private ConnectTransactRetry engine(OutcomeMode mode) {
        // Here a lost connection is no sign of a statement that kills its backend.
        return ConnectTransactRetry.builder(scene.pool()).outcome(mode).listener(doubts)
                .retryPolicy(RetryPolicy.defaults().withMaxBodyLosses(10_000)).build();
    }

    private void failOver(Traffic traffic, int round) throws SQLException {
        long began = System.nanoTime();
        traffic.pause();
        scene.addStandby();
        traffic.resume();
        int known = doubts.answers().size();
        traffic.awaitAcknowledged(2 * Traffic.THREADS);
        List<WireAction> caught = catchSome();
        scene.holdReplicationUp();
        scene.awaitSynchronousWaits(1);
        assertEquals("sync", scene.syncState());
        scene.failOver();
        traffic.awaitAcknowledged(2 * Traffic.THREADS);
        doubts.awaitAnswers(known + SURE);
        List<DoubtLog.Answer> answers = doubts.answersAfter(known);
        System.out.println("  round " + round + ": in doubt " + answers.size() + ", committed "
                + DoubtLog.count(answers, Committed.class) + ", not committed " + DoubtLog.count(answers, NotCommitted.class)
                + ", unknown " + DoubtLog.count(answers, Unknown.class) + "; caught " + caught + "; "
                + (System.nanoTime() - began) / 1_000_000 + " ms");
    }

    /**
     * One COMMIT whose answer is lost and one that does not get through, both in flight until the failover; and some more, among
     * which may be those of resolvers, who are asked about what was cut.
     */
    private List<WireAction> catchSome() {
        List<WireAction> caught = new ArrayList<>(List.of(WireAction.BLACK_HOLE_AFTER, WireAction.BLACK_HOLE_BEFORE));
        for (int more = chance.nextInt(3); more > 0; more--) {
            caught.add(chance.nextBoolean() ? WireAction.BLACK_HOLE_AFTER : WireAction.CUT_AFTER);
        }
        scene.catchCommits(caught);
        return caught;
    }

    private AuditReport audited(String mode) throws SQLException {
        AuditReport report = scene.audited();
        System.out.println("synchronous failover by " + mode + ": " + doubts.asked() + " in doubt; acknowledged "
                + report.acknowledged() + ", failed " + report.failed() + ", doubled " + report.doubled()
                + ", lost " + report.lost() + ", wrong " + report.wrong() + ", unknown " + report.unknown().size());
        assertTrue(report.isExactlyOnce() && report.failed() == 0, report::toString);
        Map<String, List<Integer>> effects = scene.effects();
        assertEquals(List.of(), doubts.answers().stream().filter(answer -> answer.isFalse(effects)).toList());
        assertEquals(money, scene.money());
        return report;
    }
}
