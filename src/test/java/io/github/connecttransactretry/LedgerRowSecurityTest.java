package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.SQLException;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Row security on the ledger's tables: with a policy all goes well, without one a COMMIT in doubt is not answered wrongly. */
@Tag("matrix")
class LedgerRowSecurityTest {

    private static final String APP = "app";

    private static CommitScene scene;
    private static int ledgers;
    private CommitSchema schema;
    private String watermark;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        scene.execute("CREATE ROLE app LOGIN", "GRANT INSERT ON effect TO app");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void install() throws SQLException {
        scene.script(WireScript.pass());
        schema = CommitSchema.standard().withLedgerTable("ledger_" + ++ledgers);
        watermark = "connect_transact_retry.ledger_" + ledgers + "_watermark";
        schema.install(scene.dataSource());
        schema.grant(scene.dataSource(), APP);
        CommitLedger.in(schema).enable(scene.dataSource());
    }

    @ParameterizedTest
    @CsvSource({"CUT_AFTER,1", "CUT_BEFORE,2", "HOLD_AND_CUT,2"})
    void withAPolicyTheLedgerAnswers(WireAction action, int attempt) throws SQLException {
        scene.execute("ALTER TABLE " + schema.ledger() + " ENABLE ROW LEVEL SECURITY",
                "ALTER TABLE " + watermark + " ENABLE ROW LEVEL SECURITY",
                "CREATE POLICY all_rows ON " + schema.ledger() + " TO app USING (true)",
                "CREATE POLICY all_rows ON " + watermark + " TO app USING (true)");
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle, APP).schema(schema));
        ending.returned(attempt);
        scene.releaseHeld();
        assertEquals(List.of(attempt), scene.effects(ending));
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals("ledger", resolved.resolver());
        requireAnswer(attempt == 1, resolved.outcome());
    }

    /** Switched on when the token is on its way: whatever is hidden from the one who asks, it is not known. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "CUT_AFTER|no policy", "CUT_BEFORE|no policy",
        "CUT_AFTER|FOR INSERT TO app WITH CHECK (true)", "CUT_BEFORE|FOR INSERT TO app WITH CHECK (true)",
        "CUT_AFTER|FOR ALL TO app USING (false) WITH CHECK (true)", "CUT_BEFORE|FOR ALL TO app USING (false) WITH CHECK (true)",
        "CUT_AFTER|FOR ALL TO app USING (kind = 'tombstone') WITH CHECK (true)"})
    void whatIsHiddenIsUnknown(WireAction action, String policy) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle().onFirst(
                OutcomeAsked.class, asked -> {
                    scene.execute("ALTER TABLE " + schema.ledger() + " ENABLE ROW LEVEL SECURITY");
                    if (!policy.equals("no policy")) {
                        scene.execute("CREATE POLICY part ON " + schema.ledger() + " " + policy);
                    }
                });
        Ending ending = scene.call(scene.engine(chronicle, APP).schema(schema), CommitScene.SHORT);
        chronicle.requireActed();
        ending.unknown();
        CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
        assertNotNull(evidence.ledger());
        assertEquals(action == WireAction.CUT_AFTER ? List.of(1) : List.of(), scene.effects(ending));
        scene.execute("ALTER TABLE " + schema.ledger() + " DISABLE ROW LEVEL SECURITY");
        try (ConnectTransactRetry engine = scene.engine(new Chronicle(), APP).schema(schema).build()) {
            requireAnswer(action == WireAction.CUT_AFTER, engine.resolve(evidence));
        }
    }

    private static void requireAnswer(boolean committed, CommitOutcome outcome) {
        assertTrue(committed ? outcome instanceof Committed : outcome instanceof NotCommitted, outcome.toString());
    }

    @Test
    void aHiddenWatermarkIsRefusedWhereTheLedgerIsDemanded() throws SQLException {
        scene.execute("ALTER TABLE " + watermark + " ENABLE ROW LEVEL SECURITY");
        Ending ending = scene.call(scene.engine(new Chronicle(), APP).schema(schema).outcome(OutcomeMode.LEDGER));
        String message = ending.threw(TransactionRefusedException.class).getMessage();
        assertTrue(message.contains(schema.ledger()) && message.contains("row security") && message.contains("policy"), message);
        assertEquals(List.of(), scene.effects(ending));
    }

    @Test
    void aHiddenWatermarkLeavesAutomaticToTheTransactionId() throws SQLException {
        scene.execute("ALTER TABLE " + watermark + " ENABLE ROW LEVEL SECURITY");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle, APP).schema(schema));
        ending.returned(1);
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertNull(resolved.evidence().ledger());
        assertNotNull(resolved.evidence().transactionId());
        assertEquals("0", scene.ask("SELECT count(*) FROM " + schema.ledger()));
    }
}
