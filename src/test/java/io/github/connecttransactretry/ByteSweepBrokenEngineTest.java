package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.ByteSweep.Scope;
import io.github.connecttransactretry.ByteSweep.Setting;
import io.github.connecttransactretry.ByteSweep.Swept;
import io.github.connecttransactretry.SweepTrial.Told;
import io.github.connecttransactretry.outcome.BrokenLedgers;
import io.github.connecttransactretry.outcome.BrokenResolvers;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import java.sql.SQLException;
import java.time.Duration;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The byte sweep can fail: engines broken in one part each are caught by it, over the bytes from the COMMIT on. What is named
 * is the direction and way that catch them, and at how many offsets.
 */
@Timeout(300)
class ByteSweepBrokenEngineTest {

    /** Where nobody ends a backend, a call may have to wait for one that waits for the rest of its COMMIT. */
    private static final TransactionOptions BRIEF = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(2));

    private static ByteSweep sweep;

    @BeforeAll
    static void open() throws SQLException {
        sweep = ByteSweep.open();
    }

    @AfterAll
    static void close() {
        sweep.close();
    }

    /** What a loop does that takes a lost connection for a failure: right as long as the COMMIT did not arrive. */
    @Test
    void goingAgainWithoutAskingDoublesWhereTheAnswerIsCut() throws SQLException, InterruptedException {
        UnaryOperator<ConnectTransactRetryBuilder> blind = engine ->
                engine.resolvers(answering(new CommitOutcome.NotCommitted("nobody was asked", null)));
        Swept broken = sweptFromCommit(fenced(blind), SweepWay.DOWN_RESET);
        // A reset may come before the COMMIT has gone out, at the first offset alone.
        assertTrue(broken.inDoubt() - broken.audit().doubled() <= 1 && broken.audit().doubled() > 1, broken.audit().toString());
        requireSound(OutcomeMode.STATUS, SweepWay.DOWN_RESET);
    }

    @Test
    void takingDoubtForACommitLosesWhereTheCommitIsCut() throws SQLException, InterruptedException {
        UnaryOperator<ConnectTransactRetryBuilder> hopeful = engine ->
                engine.resolvers(answering(new CommitOutcome.Committed("nobody was asked", null)));
        Swept broken = sweptFromCommit(fenced(hopeful), SweepWay.UP_RESET);
        assertTrue(broken.audit().lost() > 1, broken.audit().toString());
        requireSound(OutcomeMode.STATUS, SweepWay.UP_RESET);
    }

    @Test
    void inProgressTakenForNotCommittedDoublesWhereTheCommitComesLate() throws SQLException, InterruptedException {
        Swept broken = sweptFromCommit(unfenced(OutcomeMode.STATUS,
                engine -> engine.resolvers(BrokenResolvers.takingInProgressForNotCommitted())), SweepWay.UP_LATE_RETURNED);
        requireDoubledWhereNotCommittedWasSaid(broken);
        requireSound(OutcomeMode.STATUS, SweepWay.UP_LATE_RETURNED);
    }

    @Test
    void tombstoneReplacedByALookDoublesWhereTheCommitComesLate() throws SQLException, InterruptedException {
        Swept broken = sweptFromCommit(unfenced(OutcomeMode.LEDGER,
                engine -> engine.resolvers(BrokenLedgers.lookingInsteadOfWriting(sweep.schema()))), SweepWay.UP_LATE_RETURNED);
        requireDoubledWhereNotCommittedWasSaid(broken);
    }

    @Test
    void writerThatPassesOverTombstonesDoublesWhereTheCommitComesLate() throws SQLException, InterruptedException {
        Swept broken = sweptFromCommit(unfenced(OutcomeMode.LEDGER,
                engine -> engine.ledgerWriter(BrokenLedgers.passingOverTombstones(sweep.schema()))), SweepWay.UP_LATE_RETURNED);
        requireDoubledWhereNotCommittedWasSaid(broken);
    }

    /** The ledger alone keeps late COMMITs out; only one that has its row in already, and not its COMMIT, is left unknown. */
    @Test
    void ledgerWithoutAFenceIsSound() throws SQLException, InterruptedException {
        Swept sound = sweptFromCommit(unfenced(OutcomeMode.LEDGER, engine -> engine), SweepWay.UP_LATE_RETURNED);
        assertTrue(sound.audit().isExactlyOnce(), sound.audit().toString());
        assertTrue(sound.told(Told.FOUND_NOT_COMMITTED) > sound.told(Told.UNKNOWN), sound.audit().toString());
    }

    /** By transaction id nothing can be said of a COMMIT on its way to a backend that nobody ends: true, but no answer. */
    @Test
    void withoutAFenceTransactionIdsLeaveSilenceUnknown() throws SQLException, InterruptedException {
        Swept unfenced = sweptFromCommit(unfenced(OutcomeMode.STATUS, engine -> engine), SweepWay.UP_SILENCE);
        assertTrue(unfenced.audit().isExactlyOnce(), unfenced.audit().toString());
        assertTrue(unfenced.audit().unknown().size() > 1, unfenced.audit().toString());
        requireSound(OutcomeMode.STATUS, SweepWay.UP_SILENCE);
    }

    private static void requireDoubledWhereNotCommittedWasSaid(Swept broken) {
        assertTrue(broken.audit().doubled() > 1, broken.audit().toString());
        assertEquals(broken.told(Told.FOUND_NOT_COMMITTED), broken.audit().doubled(), broken.audit().toString());
    }

    private static void requireSound(OutcomeMode mode, SweepWay way) throws SQLException, InterruptedException {
        Swept sound = sweptFromCommit(Setting.sound(mode), way);
        assertTrue(sound.audit().isExactlyOnce() && sound.audit().unknown().isEmpty(), sound.audit().toString());
        assertEquals(sound.calls(), sound.audit().acknowledged(), sound.audit().toString());
        assertEquals(sound.calls(), sound.audit().committed(), sound.audit().toString());
    }

    private static Setting fenced(UnaryOperator<ConnectTransactRetryBuilder> part) {
        return new Setting(OutcomeMode.STATUS, part, false, TransactionOptions.defaults());
    }

    private static Setting unfenced(OutcomeMode mode, UnaryOperator<ConnectTransactRetryBuilder> part) {
        return new Setting(mode, engine -> part.apply(engine.fencing(false)), true, BRIEF);
    }

    private static Swept sweptFromCommit(Setting setting, SweepWay way) throws SQLException, InterruptedException {
        SweepTrial uncut = sweep.uncut(setting);
        Swept swept = sweep.sweep(setting, Scope.TRANSACTION, way, uncut.before(way.direction()), uncut.answerLength());
        assertTrue(swept.inDoubt() > 1, "hardly one offset was in doubt");
        System.out.println(setting.mode() + " " + way + ": " + swept.trials().size() + " offsets from the COMMIT on, "
                + swept.inDoubt() + " in doubt: " + swept.audit().doubled() + " doubled, " + swept.audit().lost() + " lost, "
                + swept.audit().unknown().size() + " unknown");
        return swept;
    }

    private static CommitOutcomeResolver answering(CommitOutcome outcome) {
        return new CommitOutcomeResolver() {
            @Override
            public String name() {
                return "deaf";
            }

            @Override
            public CommitOutcome resolve(OutcomeQuestion question) {
                return outcome;
            }
        };
    }
}
