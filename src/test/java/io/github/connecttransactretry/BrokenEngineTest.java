package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.AuditReport;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.outcome.BrokenResolvers;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The suite can fail: engines broken in one part each go through the audit, and the audit catches every one. The same scene
 * with a sound engine passes, so that it is the broken part that was caught.
 */
class BrokenEngineTest {

    private static final UnaryOperator<ConnectTransactRetryBuilder> SOUND = engine -> engine;

    private static CommitScene scene;
    private static int audits;

    /** How one call goes, and what the audit says of it in the end. */
    private interface Scenario {
        Ending play(UnaryOperator<ConnectTransactRetryBuilder> part) throws SQLException;
    }

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
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

    private static AuditReport audit(Scenario scenario, UnaryOperator<ConnectTransactRetryBuilder> part) throws SQLException {
        scene.beginAudit("effect_" + ++audits);
        scenario.play(part);
        scene.script(WireScript.pass());
        AuditReport report = scene.audited();
        assertEquals(1, report.acknowledged() + report.failed() + report.unknown().size(), report.toString());
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
