package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionEvent.RetryScheduled;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The server that answers is not the one that was asked to commit, but its standby. */
@Tag("matrix")
class FailoverTest {

    private CommitScene scene;
    private PostgresServer standby;

    @BeforeEach
    void open() throws SQLException {
        scene = CommitScene.open();
        CommitSchema.standard().install(scene.dataSource());
        standby = scene.server().startStandby("s1");
    }

    @AfterEach
    void close() {
        standby.close();
        scene.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void commitThatTheStandbyNeverGotIsNotCommitted(boolean physical) throws SQLException {
        holdReplicationUp();
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> failOver());
        Ending ending = scene.call(scene.engine(chronicle).physicalReplication(physical));
        chronicle.requireActed();
        requireNegative(ending, chronicle, physical);
    }

    @Test
    void strangersCommitOnTheNewPrimaryIsNotOurs() throws SQLException {
        holdReplicationUp();
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            failOver();
            Stranger.commitAs(standby, asked.evidence().transactionId());
        });
        Ending ending = scene.call(scene.engine(chronicle));
        chronicle.requireActed();
        ending.unknown();
        assertEquals(List.of(), scene.effects(standby, ending));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void transactionThatWasOpenAtThePromotionIsNotCommitted(boolean physical) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            // A later commit takes the open transaction's records along.
            scene.execute("CREATE TABLE later ()");
            Await.until("the standby to follow", CommitScene.PATIENCE, () -> exists(standby, "later"));
            failOver();
            assertEquals("aborted", CommitScene.ask(standby, "SELECT pg_xact_status('" + asked.evidence().transactionId() + "')"));
        });
        Ending ending = scene.call(scene.engine(chronicle).physicalReplication(physical));
        chronicle.requireActed();
        requireNegative(ending, chronicle, physical);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void replicatedCommitIsUnknownOnAnotherTimelineAndNotRunAgain(boolean physical) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            Await.until("the standby to follow", CommitScene.PATIENCE,
                    () -> CommitScene.ask(standby, "SELECT count(*) FROM effect").equals("1"));
            failOver();
        });
        Ending ending = scene.call(scene.engine(chronicle).physicalReplication(physical));
        chronicle.requireActed();
        ending.unknown();
        assertEquals(List.of(1), scene.effects(standby, ending));
    }

    @Test
    void stalePrimaryIsRefusedOnceTheNewOneHasAnswered() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_BEFORE));
        Chronicle chronicle = new Chronicle()
                .onFirst(OutcomeAsked.class, asked -> {
                    standby.promote();
                    scene.proxy().retarget(standby.port());
                })
                .onFirst(RetryScheduled.class, retry -> retry.failure().attempt() == 1,
                        retry -> scene.proxy().retarget(scene.server().port()))
                .onFirst(RetryScheduled.class, retry -> retry.failure().attempt() == 2,
                        retry -> scene.proxy().retarget(standby.port()));
        Ending ending = scene.call(scene.engine(chronicle));
        chronicle.requireActed();
        ending.returned(3);
        AttemptFailure refused = chronicle.all(RetryScheduled.class).get(1).failure();
        assertEquals(Phase.CONNECT, refused.phase());
        assertTrue(refused.message().contains("older timeline"), refused.message());
        assertEquals(List.of(), scene.effects(ending), "the old primary, which still takes writes");
        assertEquals(List.of(3), scene.effects(standby, ending));
    }

    @Test
    void stalePrimaryIsNoAnswerForACommitOnTheNewOne() throws SQLException {
        standby.promote();
        scene.proxy().retarget(standby.port());
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            // There the id is a stranger's, who rolls back.
            Stranger.take(scene.server(), asked.evidence().transactionId()).close();
            scene.proxy().retarget(scene.server().port());
        });
        Ending ending = CommitScene.running(() -> scene.call(scene.engine(chronicle)), () -> {
            awaitQuestions(scene.server(), chronicle);
            scene.proxy().retarget(standby.port());
        });
        chronicle.requireActed();
        ending.returned(1);
        assertEquals(List.of(1), scene.effects(standby, ending));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void standbyIsAskedAgainUntilItIsPromoted(boolean table) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_BEFORE));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            scene.server().crash();
            scene.proxy().retarget(standby.port());
        });
        CommitSchema schema = table ? CommitSchema.standard() : new CommitSchema("not_there");
        Ending ending = CommitScene.running(() -> scene.call(scene.engine(chronicle).schema(schema)), () -> {
            awaitQuestions(standby, chronicle);
            assertEquals(List.of(), chronicle.all(OutcomeResolved.class), "a standby lies behind: it has no answer");
            standby.promote();
        });
        chronicle.requireActed();
        ending.returned(2);
        assertEquals(List.of(2), scene.effects(standby, ending));
    }

    private void failOver() throws SQLException {
        scene.server().crash();
        standby.promote();
        scene.proxy().retarget(standby.port());
    }

    private void holdReplicationUp() throws SQLException {
        scene.server().suspend(Integer.parseInt(scene.ask("SELECT pid FROM pg_stat_replication")));
    }

    /** What the new primary does not know was not committed, if it continues the same WAL; else nobody knows. */
    private void requireNegative(Ending ending, Chronicle chronicle, boolean physical) throws SQLException {
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertTrue(!(resolved.outcome() instanceof Committed), resolved.toString());
        assertEquals(physical, resolved.outcome() instanceof NotCommitted, resolved.toString());
        if (physical) {
            ending.returned(2);
        } else {
            ending.unknown();
        }
        assertEquals(physical ? List.of(2) : List.of(), scene.effects(standby, ending));
    }

    /** Waits until a server was asked more than once what became of the COMMIT, so that its first word was not taken. */
    private void awaitQuestions(PostgresServer asked, Chronicle chronicle) {
        Await.until("the question to be repeated", CommitScene.PATIENCE, () -> !chronicle.all(OutcomeAsked.class).isEmpty());
        int before = scene.proxy().sessions();
        Await.until("the question to be repeated on port " + asked.port(), CommitScene.PATIENCE,
                () -> scene.proxy().sessions() >= before + 3);
    }

    private static boolean exists(PostgresServer server, String table) throws SQLException {
        return "t".equals(CommitScene.ask(server, "SELECT to_regclass('" + table + "') IS NOT NULL"));
    }
}
