package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A role that may log in and has rights on its tables, and nothing else. */
@Tag("matrix")
class LeastPrivilegeTest {

    private static final String APP = "app";
    private static final String QUOTED = "\"";

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        scene.execute("CREATE ROLE app LOGIN", "CREATE ROLE nothing", "GRANT nothing TO app",
                "GRANT INSERT ON effect TO app", "REVOKE ALL ON SCHEMA public FROM public", "GRANT USAGE ON SCHEMA public TO app");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void cutAfterTheFirstCommit() {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
    }

    @ParameterizedTest
    @ValueSource(strings = {"connect_transact_retry", "it's a \"schema\"; DROP TABLE effect --", "Größe 表 🐘", "a\nb"})
    void installedAndGrantedTableIsReadAndSeededByTheRole(String name) throws SQLException {
        CommitSchema schema = new CommitSchema(name);
        schema.install(scene.dataSource());
        schema.grant(scene.dataSource(), APP);
        // As a crash does; the role itself has to put the row in again.
        scene.execute("DELETE FROM " + QUOTED + name.replace(QUOTED, QUOTED + QUOTED) + QUOTED + ".incarnation");
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle, APP).schema(schema));
        ending.returned(1);
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertTrue(resolved.outcome() instanceof Committed, resolved.toString());
        assertFalse(resolved.evidence().incarnation().life().isEmpty(), "the table was not read");
        assertEquals(List.of(1), scene.effects(ending));
        // Installed twice is installed once: the row, and with it the server's life, stays.
        schema.install(scene.dataSource());
        assertEquals(resolved.evidence().incarnation().life(), scene.ask("SELECT id FROM "
                + QUOTED + name.replace(QUOTED, QUOTED + QUOTED) + QUOTED + ".incarnation"));
    }

    @Test
    void roleFencesItsOwnBackend() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle, APP).schema(new CommitSchema("not there")));
        ending.returned(2);
        assertEquals(Result.TERMINATED, chronicle.all(Fenced.class).get(0).result());
        assertNotEquals(List.of("COMMIT"), scene.releaseHeld());
        assertEquals(List.of(2), scene.effects(ending));
    }

    @Test
    void tableThatMayOnlyBeReadIsStillUsed() throws SQLException {
        CommitSchema schema = new CommitSchema("read only");
        schema.install(scene.dataSource());
        scene.execute("GRANT USAGE ON SCHEMA \"read only\" TO app", "GRANT SELECT ON \"read only\".incarnation TO app");
        Chronicle chronicle = new Chronicle();
        scene.call(scene.engine(chronicle, APP).schema(schema)).returned(1);
        assertFalse(chronicle.only(OutcomeResolved.class).evidence().incarnation().life().isEmpty());
        scene.execute("DELETE FROM \"read only\".incarnation");
        cutAfterTheFirstCommit();
        scene.call(scene.engine(new Chronicle(), APP).schema(schema), CommitScene.SHORT).unknown();
        assertEquals("0", scene.ask("SELECT count(*) FROM \"read only\".incarnation"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"SELECT", "USAGE"})
    void unreadableTableNeverMeansCommitted(String missing) throws SQLException {
        String name = "without " + missing;
        CommitSchema schema = new CommitSchema(name);
        schema.install(scene.dataSource());
        schema.grant(scene.dataSource(), APP);
        scene.execute(missing.equals("SELECT") ? "REVOKE SELECT ON \"" + name + "\".incarnation FROM app"
                : "REVOKE USAGE ON SCHEMA \"" + name + "\" FROM app");
        Chronicle chronicle = new Chronicle();
        Ending ending;
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN)) {
            ending = scene.call(scene.engine(chronicle, APP).schema(schema));
            assertTrue(log.text().contains(name + " is there but may not be read"), log::text);
        }
        ending.unknown();
        String reason = chronicle.only(OutcomeResolved.class).outcome().reason();
        assertFalse(reason.contains("crashed"), "that is not why: " + reason);
        assertEquals("", chronicle.only(OutcomeResolved.class).evidence().incarnation().life());
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void negativesNeedNoTable() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_BEFORE));
        CommitSchema schema = new CommitSchema("not granted");
        schema.install(scene.dataSource());
        Ending ending = scene.call(scene.engine(new Chronicle(), APP).schema(schema));
        ending.returned(2);
        assertEquals(List.of(2), scene.effects(ending));
    }

    @Test
    void tableThatACrashWouldNotEmptyIsNotUsed() throws SQLException {
        scene.execute("CREATE SCHEMA logged", "CREATE TABLE logged.incarnation (one boolean PRIMARY KEY DEFAULT true, id uuid DEFAULT"
                + " 'b5d4f7a0-0000-4000-8000-000000000000')", "INSERT INTO logged.incarnation DEFAULT VALUES",
                "GRANT USAGE ON SCHEMA logged TO app", "GRANT SELECT, INSERT ON logged.incarnation TO app");
        Chronicle chronicle = new Chronicle();
        scene.call(scene.engine(chronicle, APP).schema(new CommitSchema("logged"))).returned(1);
        assertNull(chronicle.only(OutcomeResolved.class).evidence().incarnation().life());
        cutAfterTheFirstCommit();
        Chronicle crash = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            scene.server().crash();
            scene.server().start();
        });
        Ending ending = scene.call(scene.engine(crash, APP).schema(new CommitSchema("logged")));
        crash.requireActed();
        ending.unknown();
    }

    @ParameterizedTest
    @ValueSource(strings = {"CUT_AFTER", "HOLD_AND_CUT", "PASS"})
    void roleWithoutAnyRightsSetByTheFunctionDoesNoHarm(WireAction action) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle, APP), TransactionOptions.defaults(), tx -> {
            try (Statement statement = tx.connection().createStatement()) {
                statement.execute("SET LOCAL ROLE nothing");
            }
        });
        int last = action == WireAction.HOLD_AND_CUT ? 2 : 1;
        ending.returned(last);
        assertEquals(List.of(last), scene.effects(ending));
        assertEquals(action == WireAction.PASS ? 0 : 1, chronicle.all(OutcomeAsked.class).size());
        for (OutcomeAsked asked : chronicle.all(OutcomeAsked.class)) {
            CommitEvidence evidence = asked.evidence();
            assertTrue(evidence.transactionId() > 0 && evidence.incarnation() != null, evidence.toString());
        }
    }
}
