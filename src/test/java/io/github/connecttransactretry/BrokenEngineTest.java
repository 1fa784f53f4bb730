package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.outcome.BrokenLedgers;
import io.github.connecttransactretry.outcome.BrokenResolvers;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The suite can fail: engines broken in one part each go through the audit, and the audit catches every one. The same scene
 * with a sound engine passes, so that it is the broken part that was caught.
 */
@Tag("matrix")
class BrokenEngineTest {

    private static final UnaryOperator<ConnectTransactRetryBuilder> SOUND = engine -> engine;

    /** Of its own, so that the other scenes do without tables. */
    private static final CommitSchema LEDGERED = new CommitSchema("ledgered");

    private static CommitScene scene;
    private static int audits;

    /** How one call goes, and what the audit says of it in the end. */
    private interface Scenario {
        Ending play(UnaryOperator<ConnectTransactRetryBuilder> part) throws SQLException;
    }

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        LEDGERED.install(scene.dataSource());
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @Test
    void incarnationIgnoredLosesACommit() throws SQLException {
        Scenario strangerTakesTheId = part -> {
            Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
                scene.server().crash();
                scene.server().start();
                Stranger.commitAs(scene.server(), asked.evidence().transactionId());
            });
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
            return acted(chronicle, scene.call(part.apply(scene.engine(chronicle))));
        };
        AuditReport broken = audit(strangerTakesTheId,
                engine -> engine.resolvers(BrokenResolvers.ignoringTheIncarnation()));
        assertEquals(1, broken.lost(), broken.toString());
        AuditReport sound = audit(strangerTakesTheId, SOUND);
        assertTrue(sound.isExactlyOnce(), sound.toString());
        assertEquals(1, sound.unknown().size(), sound.toString());
    }

    @Test
    void unsealedCommittedIsLostInACrash() throws SQLException {
        Scenario crashAfterTheAnswer = part -> {
            // With the WAL writer held still nothing but the seal flushes an asynchronous commit.
            scene.server().suspend(Integer.parseInt(
                    scene.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")));
            Chronicle chronicle = new Chronicle();
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            Ending ending = scene.call(part.apply(asynchronous(chronicle)));
            chronicle.only(OutcomeAsked.class);
            scene.server().crash();
            scene.server().start();
            return ending;
        };
        AuditReport broken = audit(crashAfterTheAnswer, engine -> engine.resolvers(BrokenResolvers.withoutASeal()));
        assertEquals(1, broken.lost(), broken.toString());
        AuditReport sound = audit(crashAfterTheAnswer, SOUND);
        assertTrue(sound.isExactlyOnce(), sound.toString());
        assertEquals(1, sound.acknowledged(), sound.toString());
        assertEquals(1, sound.committed(), sound.toString());
    }

    @Test
    void inProgressTakenForNotCommittedDoublesACommit() throws SQLException {
        Scenario commitArrivesLate = part -> {
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
            Chronicle chronicle = new Chronicle();
            Ending ending = scene.call(part.apply(scene.engine(chronicle)), CommitScene.SHORT);
            chronicle.only(OutcomeAsked.class);
            return ending;
        };
        AuditReport broken = audit(commitArrivesLate,
                engine -> engine.fencing(false).resolvers(BrokenResolvers.takingInProgressForNotCommitted()));
        assertEquals(1, broken.doubled(), broken.toString());
        AuditReport fenced = audit(commitArrivesLate, SOUND);
        assertTrue(fenced.isExactlyOnce(), fenced.toString());
        assertEquals(1, fenced.acknowledged(), fenced.toString());
        AuditReport unfenced = audit(commitArrivesLate, engine -> engine.fencing(false));
        assertTrue(unfenced.isExactlyOnce(), unfenced.toString());
        assertEquals(1, unfenced.unknown().size(), unfenced.toString());
    }

    @Test
    void retryOnUnknownDoublesACommit() throws SQLException {
        Scenario crashAfterTheCommit = part -> {
            Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
                scene.server().crash();
                scene.server().start();
            });
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            return acted(chronicle, scene.call(part.apply(scene.engine(chronicle))));
        };
        AuditReport broken = audit(crashAfterTheCommit, engine -> engine.resolvers(BrokenResolvers.retryingOnUnknown()));
        assertEquals(1, broken.doubled(), broken.toString());
        AuditReport sound = audit(crashAfterTheCommit, SOUND);
        assertTrue(sound.isExactlyOnce(), sound.toString());
        assertTrue(sound.unknown().get(0).committed(), sound.toString());
    }

    @Test
    void silentRollbackUnseenLosesACommit() throws SQLException {
        Scenario functionSwallowsAnError = part ->
                scene.call(part.apply(scene.engine(new Chronicle())).outcome(OutcomeMode.NONE), CommitScene.SHORT, BrokenEngineTest::swallow);
        AuditReport broken = audit(functionSwallowsAnError, engine -> engine.drivers(new BlindDriver()));
        assertEquals(1, broken.lost(), broken.toString());
        AuditReport sound = audit(functionSwallowsAnError, SOUND);
        assertTrue(sound.isExactlyOnce(), sound.toString());
        assertEquals(1, sound.failed(), sound.toString());
    }

    @Test
    void tombstoneReplacedByALookDoublesACommit() throws SQLException {
        AuditReport broken = audit(BrokenEngineTest::commitComesAfterTheAnswer,
                engine -> engine.resolvers(BrokenLedgers.lookingInsteadOfWriting(LEDGERED)));
        assertEquals(1, broken.doubled(), broken.toString());
        requireSound(audit(BrokenEngineTest::commitComesAfterTheAnswer, SOUND));
    }

    @Test
    void writerThatPassesOverATombstoneDoublesACommit() throws SQLException {
        AuditReport broken = audit(BrokenEngineTest::commitComesAfterTheAnswer,
                engine -> engine.ledgerWriter(BrokenLedgers.passingOverTombstones(LEDGERED)));
        assertEquals(1, broken.doubled(), broken.toString());
        requireSound(audit(BrokenEngineTest::commitComesAfterTheAnswer, SOUND));
    }

    /** The tombstone on the token keeps all later attempts out too: the audit sees a call that fails for want of time. */
    @Test
    void oneTokenForAllAttemptsNeverCommits() throws SQLException {
        UUID one = UUID.randomUUID();
        AuditReport broken = audit(BrokenEngineTest::commitComesAfterTheAnswer, engine -> engine.tokens(() -> one));
        assertEquals(0, broken.acknowledged() + broken.committed(), broken.toString());
        // Its time may end while another COMMIT is under way.
        assertEquals(1, broken.failed() + broken.unknown().size(), broken.toString());
        requireSound(audit(BrokenEngineTest::commitComesAfterTheAnswer, SOUND));
    }

    /** An engine that gives one token to two calls takes the row of the one for that of the other. */
    @Test
    void oneTokenForTwoCallsLosesACommit() throws SQLException {
        Scenario anotherCallFirst = part -> {
            scene.call(part.apply(ledgered(new Chronicle())));
            return commitComesAfterTheAnswer(part);
        };
        UUID one = UUID.randomUUID();
        AuditReport broken = audit(anotherCallFirst, 2, engine -> engine.tokens(() -> one));
        assertEquals(1, broken.lost(), broken.toString());
        AuditReport sound = audit(anotherCallFirst, 2, SOUND);
        assertTrue(sound.isExactlyOnce() && sound.acknowledged() == 2, sound.toString());
    }

    /**
     * A COMMIT that waits for its synchronous standby is seen by nobody. Ended in that wait it is seen by all, and lost in the
     * failover: the seal keeps the engine from calling it committed, but nobody keeps others from going by what they see.
     */
    @Test
    void fenceThatEndsACommitInItsSynchronousWaitLosesIt() throws SQLException {
        AuditReport broken = auditAfterFailover(engine -> engine.fence(BrokenLedgers.endingCommits()));
        assertEquals(1, broken.lost(), broken.toString());
        AuditReport sound = auditAfterFailover(SOUND);
        assertTrue(sound.isExactlyOnce(), sound.toString());
        assertEquals(1, sound.unknown().size(), sound.toString());
    }

    /** Without the seal the careful fence still keeps an unreplicated COMMIT from being called committed; with neither it is. */
    @Test
    void fenceThatEndsACommitLosesItInTheEnginesOwnWordsWhereNothingIsSealed() throws SQLException {
        AuditReport broken = auditAfterFailover(engine ->
                engine.fence(BrokenLedgers.endingCommits()).resolvers(BrokenResolvers.withoutASeal()));
        assertEquals(1, broken.lost(), broken.toString());
        AuditReport careful = auditAfterFailover(engine -> engine.resolvers(BrokenResolvers.withoutASeal()));
        assertTrue(careful.isExactlyOnce(), careful.toString());
        assertEquals(1, careful.unknown().size(), careful.toString());
    }

    /** The COMMIT is held back, its outcome is asked for, the call goes on; then it arrives. Only the ledger is in its way. */
    private static Ending commitComesAfterTheAnswer(UnaryOperator<ConnectTransactRetryBuilder> part) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(part.apply(ledgered(chronicle)), CommitScene.SHORT);
        assertFalse(chronicle.all(OutcomeAsked.class).isEmpty(), "the COMMIT was in doubt");
        return ending;
    }

    private static ConnectTransactRetryBuilder ledgered(Chronicle chronicle) {
        return scene.engine(chronicle).schema(LEDGERED).outcome(OutcomeMode.LEDGER).fencing(false);
    }

    private static void requireSound(AuditReport sound) {
        assertTrue(sound.isExactlyOnce(), sound.toString());
        assertEquals(1, sound.acknowledged(), sound.toString());
        assertEquals(1, sound.committed(), sound.toString());
    }

    /** A COMMIT whose synchronous standby is away stays in doubt; the caller looks for himself; then the standby takes over. */
    private static AuditReport auditAfterFailover(UnaryOperator<ConnectTransactRetryBuilder> part) throws SQLException {
        try (FailoverScene failover = FailoverScene.open(true, 2)) {
            failover.addStandby();
            failover.standby().stop();
            ConnectTransactRetry engine = part.apply(ConnectTransactRetry.builder(failover.pool())).build();
            try {
                int attempt = engine.run(CommitScene.SHORT, tx -> failover.move(tx, "call", 1, 2));
                failover.audit().acknowledged("call", attempt);
            } catch (CommitOutcomeUnknownException unknown) {
                if (failover.effects().containsKey("call")) {
                    failover.audit().acknowledged("call", 1);
                } else {
                    failover.audit().threw("call", unknown);
                }
            }
            failover.failOver();
            return failover.audited();
        }
    }

    private static AuditReport audit(Scenario scenario, UnaryOperator<ConnectTransactRetryBuilder> part) throws SQLException {
        return audit(scenario, 1, part);
    }

    private static AuditReport audit(Scenario scenario, int calls, UnaryOperator<ConnectTransactRetryBuilder> part)
            throws SQLException {
        scene.beginAudit("effect_" + ++audits);
        scenario.play(part);
        AuditReport report = scene.audited();
        scene.script(WireScript.pass());
        assertEquals(calls, report.acknowledged() + report.failed() + report.unknown().size(), report.toString());
        return report;
    }

    private static Ending acted(Chronicle chronicle, Ending ending) {
        chronicle.requireActed();
        return ending;
    }

    private static ConnectTransactRetryBuilder asynchronous(Chronicle chronicle) {
        var dataSource = scene.dataSource(scene.proxy().port(), PostgresServer.SUPERUSER);
        dataSource.setOptions("-c synchronous_commit=off");
        return ConnectTransactRetry.builder(() -> dataSource.getConnection()).listener(chronicle);
    }

    private static void swallow(Transaction tx) throws SQLException {
        try (Connection connection = tx.connection(); Statement statement = connection.createStatement()) {
            statement.execute("SELECT 1 / 0");
        } catch (SQLException swallowed) {
            assertFalse(swallowed.getMessage().isEmpty());
        }
    }
}
