package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Nobody has told the old primary that it is one: it lives on, takes writes, and the pool still holds connections to it. What
 * the ledger answered on the new one binds the call to the new one's timeline.
 */
@Tag("matrix")
class StaleTimelineTest {

    private static final int CONNECTIONS = 4;
    private static final String TOMBSTONES = "SELECT count(*) FROM connect_transact_retry.commit_ledger WHERE kind = 'tombstone'";
    private static final String OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            + " AND application_name = 'PostgreSQL JDBC Driver'";

    private FailoverScene scene;
    private PostgresServer old;
    private PostgresServer promoted;

    @BeforeEach
    void open() throws SQLException {
        scene = FailoverScene.open(false, CONNECTIONS);
        scene.addStandby();
        old = scene.primary();
        promoted = scene.standby();
        Await.until("a full pool", CommitScene.PATIENCE, () -> ask(old, OTHERS) == CONNECTIONS);
    }

    @AfterEach
    void close() {
        scene.close();
    }

    @Test
    void idleConnectionToTheOldPrimaryNeverServesTheRetry() throws SQLException {
        scene.proxy().script(WireScript.once(WireRequest::isCommit, WireAction.CUT_BEFORE));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            promoteBesideTheOld();
            replaceOneConnection();
            assertTrue(ask(old, OTHERS) > 0 && ask(promoted, OTHERS) > 0, "the pool leads to both servers");
        });
        Ending ending = call(chronicle);
        chronicle.requireActed();
        NotCommitted answer = assertInstanceOf(NotCommitted.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals("00000002", answer.timeline());
        List<String> refusals = chronicle.all(AttemptFailed.class).stream().map(AttemptFailed::failure)
                .filter(failure -> failure.phase() == Phase.CONNECT).map(failure -> failure.message()).toList();
        assertTrue(refusals.stream().anyMatch(message -> message.contains("older timeline")), () -> "refused: " + refusals);
        assertEquals(List.of(), scene.effects(old).getOrDefault(ending.call(), List.of()), "the old primary, which takes writes");
        assertEquals(List.of(ending.attempt()), scene.effects(promoted).get(ending.call()));
    }

    @Test
    void committedCarriesTheTimelineOfTheServerThatSaidSo() throws SQLException {
        scene.proxy().script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            Await.until("the standby to follow", CommitScene.PATIENCE, () -> !scene.effects(promoted).isEmpty());
            promoteBesideTheOld();
        });
        Ending ending = call(chronicle);
        chronicle.requireActed();
        ending.returned(1);
        Committed answer = assertInstanceOf(Committed.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals("00000002", answer.timeline());
        assertEquals(List.of(1), scene.effects(promoted).get(ending.call()));
        assertEquals(0, ask(promoted, TOMBSTONES));
    }

    @Test
    void oldPrimaryIsNoAnswerAndGetsNoTombstone() throws SQLException {
        promoteBesideTheOld();
        scene.pool().getHikariPoolMXBean().softEvictConnections();
        Await.until("a pool that leads to the new primary", CommitScene.PATIENCE, () -> ask(promoted, OTHERS) == CONNECTIONS);
        scene.proxy().script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> scene.proxy().retarget(old.port()));
        Ending ending = CommitScene.running(() -> call(chronicle), () -> {
            Await.until("the question", CommitScene.PATIENCE, () -> !chronicle.all(OutcomeAsked.class).isEmpty());
            int before = scene.proxy().sessions();
            // The pool refills at the same time: so many sessions that most are questions.
            Await.until("the question to be repeated", CommitScene.PATIENCE,
                    () -> scene.proxy().sessions() >= before + 3 * CONNECTIONS);
            assertEquals(List.of(), chronicle.all(OutcomeResolved.class));
            assertEquals(0, ask(old, TOMBSTONES));
            scene.proxy().retarget(promoted.port());
        });
        chronicle.requireActed();
        ending.returned(1);
        assertEquals(List.of(1), scene.effects(promoted).get(ending.call()));
    }

    private Ending call(Chronicle chronicle) {
        ConnectTransactRetry engine =
                ConnectTransactRetry.builder(scene.pool()).outcome(OutcomeMode.LEDGER).listener(chronicle).build();
        return scene.call(engine, TransactionOptions.defaults(), "call");
    }

    private void promoteBesideTheOld() throws SQLException {
        promoted.promote();
        scene.proxy().retarget(promoted.port());
    }

    /** One of the idle connections goes, and another comes, by now to the new primary. */
    private void replaceOneConnection() throws SQLException {
        try (Connection idle = scene.pool().getConnection()) {
            scene.pool().evictConnection(idle);
        }
        Await.until("a pool that leads to the new primary too", CommitScene.PATIENCE, () -> ask(promoted, OTHERS) > 0);
    }

    private static int ask(PostgresServer server, String count) throws SQLException {
        return Integer.parseInt(CommitScene.ask(server, count));
    }
}
