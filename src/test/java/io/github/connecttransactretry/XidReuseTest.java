package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.PGConnection;

/** A crash hands a transaction id to a stranger: what the server then says of it is not about us. */
@Tag("matrix")
class XidReuseTest {

    private static final int TRIES = 5;

    private static CommitScene scene;

    /** What ends the server's life. */
    enum Crash {
        WHOLE_SERVER {
            @Override
            void strike(PostgresServer server, int pid) {
                server.crash();
                server.start();
            }
        },
        ONE_BACKEND {
            @Override
            void strike(PostgresServer server, int pid) {
                server.killBackend(pid);
                server.awaitReady();
            }
        };

        abstract void strike(PostgresServer server, int pid);
    }

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        CommitSchema.standard().install(scene.dataSource());
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void passAll() {
        scene.script(WireScript.pass());
    }

    @ParameterizedTest
    @CsvSource({"WHOLE_SERVER, true", "WHOLE_SERVER, false", "ONE_BACKEND, true", "ONE_BACKEND, false"})
    void strangersCommitIsNotOurs(Crash crash, boolean table) throws SQLException {
        Lost lost = loseAnId(crash, table, id -> Stranger.commitAs(scene.server(), id));
        CommitOutcomeUnknownException unknown = lost.ending.unknown();
        assertEquals(lost.evidence, unknown.evidence().orElseThrow());
        assertEquals("committed", scene.ask("SELECT pg_xact_status('" + lost.evidence.transactionId() + "')"),
                "the server itself must lie here, else nothing is tested");
        assertEquals(List.of(), scene.effects(lost.ending));
        requireMarker(lost.evidence, table);
    }

    @ParameterizedTest
    @CsvSource({"WHOLE_SERVER, true", "WHOLE_SERVER, false", "ONE_BACKEND, true", "ONE_BACKEND, false"})
    void lostIdThatNobodyHasYetIsNotCommitted(Crash crash, boolean table) throws SQLException {
        Lost lost = loseAnId(crash, table, id -> { });
        lost.ending.returned(2);
        assertEquals(List.of(2), scene.effects(lost.ending));
    }

    @ParameterizedTest
    @CsvSource({"WHOLE_SERVER, true", "ONE_BACKEND, false"})
    void strangerInProgressDoesNotHoldUsUp(Crash crash, boolean table) throws SQLException {
        AtomicReference<Stranger> stranger = new AtomicReference<>();
        try {
            Lost lost = loseAnId(crash, table, id -> stranger.set(Stranger.take(scene.server(), id)));
            lost.ending.returned(2);
            assertEquals(List.of(2), scene.effects(lost.ending));
        } finally {
            stranger.get().close();
        }
    }

    @ParameterizedTest
    @CsvSource({"true", "false"})
    void withoutACrashTheSameCommitIsCommitted(boolean table) throws SQLException {
        Chronicle chronicle = new Chronicle();
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Ending ending = scene.call(engine(chronicle, table));
        ending.returned(1);
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertTrue(resolved.outcome() instanceof CommitOutcome.Committed, () -> resolved.toString());
        assertEquals(List.of(1), scene.effects(ending));
        requireMarker(resolved.evidence(), table);
    }

    @ParameterizedTest
    @CsvSource({"WHOLE_SERVER, true", "WHOLE_SERVER, false", "ONE_BACKEND, true", "ONE_BACKEND, false"})
    void ownCommitIsNotTrustedEitherAfterACrash(Crash crash, boolean table) throws SQLException {
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> strikeAnybody(crash));
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Ending ending = scene.call(engine(chronicle, table));
        chronicle.requireActed();
        ending.unknown();
        assertEquals(List.of(1), scene.effects(ending), "it was committed, and to go again would have done it twice");
    }

    @ParameterizedTest
    @CsvSource({"true", "false"})
    void cleanRestartIsTheSameLife(boolean table) throws SQLException {
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> scene.server().restart());
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Ending ending = scene.call(engine(chronicle, table));
        chronicle.requireActed();
        ending.returned(1);
        assertEquals(List.of(1), scene.effects(ending));
    }

    /** What is done with an id that the server has lost. */
    private interface WithId {
        void act(long id) throws SQLException;
    }

    private record Lost(Ending ending, CommitEvidence evidence) {
    }

    /** The COMMIT never arrives, and before anybody asks, the server forgets the transaction. */
    private static Lost loseAnId(Crash crash, boolean table, WithId then) throws SQLException {
        for (int attempt = 1; attempt <= TRIES; attempt++) {
            AtomicReference<CommitEvidence> evidence = new AtomicReference<>();
            AtomicReference<Stranger.NotReused> tooLate = new AtomicReference<>();
            Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
                evidence.set(asked.evidence());
                crash.strike(scene.server(), asked.evidence().backend().pid());
                try {
                    then.act(asked.evidence().transactionId());
                } catch (Stranger.NotReused flushed) {
                    tooLate.set(flushed);
                }
            });
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
            Ending ending = scene.call(engine(chronicle, table));
            chronicle.requireActed();
            if (tooLate.get() == null) {
                return new Lost(ending, evidence.get());
            }
        }
        throw new AssertionError("in " + TRIES + " crashes the server never lost an id");
    }

    private static void strikeAnybody(Crash crash) throws SQLException {
        try (Connection bystander = scene.server().connect()) {
            crash.strike(scene.server(), bystander.unwrap(PGConnection.class).getBackendPID());
        } catch (SQLException closedByTheCrash) {
            assertNotNull(closedByTheCrash.getSQLState());
        }
    }

    private static ConnectTransactRetryBuilder engine(Chronicle chronicle, boolean table) {
        return scene.engine(chronicle).schema(table ? CommitSchema.standard() : new CommitSchema("not_there"));
    }

    private static void requireMarker(CommitEvidence evidence, boolean table) {
        if (table) {
            assertNotNull(evidence.incarnation().life());
            assertTrue(evidence.incarnation().life().length() > 30, evidence.toString());
        } else {
            assertNull(evidence.incarnation().life());
        }
    }
}
