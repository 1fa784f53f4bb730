package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerResolver;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * The ledger answers only for an attempt whose token was sent to it. Of all others it writes nothing: a tombstone for a token
 * that was never sent would make up a "not committed".
 */
class LedgerStaysOutTest {

    private static final String APP = "app";

    private static CommitScene scene;
    private static LedgerView ledger;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        ledger = LedgerView.installed(scene);
        scene.execute("CREATE ROLE app LOGIN", "GRANT INSERT ON effect TO app");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @AfterEach
    void deliver() {
        scene.releaseHeld();
    }

    /** Both are committed, so that a "not committed" would be the very lie that the rule is for. */
    @ParameterizedTest
    @EnumSource(names = {"STATUS", "NONE"})
    void commitThatSentNoTokenIsNotAskedAbout(OutcomeMode mode) throws SQLException {
        Ending ending = Outage.ofTheQuestions(scene, scene.engine(new Chronicle()).outcome(mode, new Passing()),
                WireAction.CUT_AFTER);
        CommitEvidence evidence = ending.unknown().evidence().orElseThrow();
        assertNull(evidence.ledger());
        requireUntouched(ledger, evidence, "no token");
        assertEquals(List.of(1), scene.effects(ending));
    }

    @ParameterizedTest
    @ValueSource(strings = {"CUT_AFTER", "HOLD_AND_CUT"})
    void anotherSchemasLedgerStaysOut(WireAction action) throws SQLException {
        LedgerView other = LedgerView.installed(scene.dataSource(), new CommitSchema("other"));
        requireStayedOut(action, other, "another ledger");
    }

    @ParameterizedTest
    @ValueSource(strings = {"CUT_AFTER", "HOLD_AND_CUT"})
    void anotherLedgerTableOfTheSameSchemaStaysOut(WireAction action) throws SQLException {
        LedgerView other = LedgerView.installed(scene.dataSource(), CommitSchema.standard().withLedgerTable("second"));
        requireStayedOut(action, other, "another ledger");
    }

    @Test
    void anotherDatabaseStaysOut() throws SQLException {
        scene.execute("CREATE DATABASE elsewhere TEMPLATE template0");
        LedgerView elsewhere = LedgerView.installed(database("elsewhere"), CommitSchema.standard());
        requireStayedOut(WireAction.CUT_AFTER, elsewhere, "sent to database postgres", "this is elsewhere");
    }

    /** It has the same ledger's id, and even the row itself if it was there before. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void copyOfTheDatabaseStaysOut(boolean copiedBefore) throws SQLException {
        String original = "original_" + copiedBefore;
        String copy = "copy_" + copiedBefore;
        scene.execute("CREATE DATABASE " + original + " TEMPLATE template0");
        CommitSchema.standard().install(database(original));
        CommitEvidence before = copiedBefore ? null : evidenceOf(original);
        copy(original, copy);
        CommitEvidence evidence = copiedBefore ? evidenceOf(original) : before;
        LedgerView copied = new LedgerView(database(copy), CommitSchema.standard());
        assertEquals(copiedBefore ? "nothing" : "committed", copied.kind(evidence));
        requireUntouched(copied, evidence, "sent to database " + original, "this is " + copy);
        try (ConnectTransactRetry executor = ledgerEngine(database(original), CommitSchema.standard())) {
            assertInstanceOf(CommitOutcome.Committed.class, executor.resolve(evidence), "asked where it was sent");
        }
    }

    private static void copy(String original, String copy) throws SQLException {
        Await.until("nobody to be in the database that is copied", CommitScene.PATIENCE,
                () -> scene.ask("SELECT count(*) FROM pg_stat_activity WHERE datname = '" + original + "'").equals("0"));
        scene.execute("CREATE DATABASE " + copy + " TEMPLATE " + original);
    }

    @Test
    void droppedLedgerIsNotAskedNorMadeAgain() throws SQLException {
        CommitSchema schema = new CommitSchema("dropped");
        LedgerView dropped = LedgerView.installed(scene.dataSource(), schema);
        CommitEvidence evidence = evidence(schema, WireAction.CUT_AFTER);
        assertEquals("committed", dropped.kind(evidence));
        scene.execute("DROP SCHEMA dropped CASCADE");
        requireUnknown(scene.dataSource(), schema, evidence, "there is no ledger", "\"dropped\"");
        assertEquals("0", scene.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'dropped'"));
    }

    @Test
    void ledgerThatWasInstalledAnewIsAnotherOne() throws SQLException {
        CommitSchema schema = new CommitSchema("anew");
        LedgerView.installed(scene.dataSource(), schema);
        CommitEvidence evidence = evidence(schema, WireAction.CUT_AFTER);
        scene.execute("DROP SCHEMA anew CASCADE");
        LedgerView anew = LedgerView.installed(scene.dataSource(), schema);
        requireUntouched(anew, evidence, "another ledger");
    }

    @Test
    void ledgerWhoseWatermarkIsGoneIsNotAsked() throws SQLException {
        CommitSchema schema = new CommitSchema("headless");
        LedgerView headless = LedgerView.installed(scene.dataSource(), schema);
        CommitEvidence evidence = evidence(schema, WireAction.CUT_AFTER);
        scene.execute("DELETE FROM headless.commit_ledger_watermark");
        requireUntouched(headless, evidence, "watermark row", "missing");
    }

    /** A call's own engine asks two ledgers: the token was sent to one of them. */
    @Test
    void secondLedgerInTheChainStaysOut() throws SQLException {
        CommitSchema second = new CommitSchema("second in the chain");
        LedgerView other = LedgerView.installed(scene.dataSource(), second);
        Chronicle chronicle = new Chronicle();
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Ending ending = scene.call(scene.engine(chronicle).fencing(false).resolvers(
                new LedgerResolver(second),
                new LedgerResolver(CommitSchema.standard())));
        ending.returned(2);
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals("tombstone", ledger.kind(resolved.evidence()));
        assertEquals(0, other.rows());
        assertEquals(List.of("ERROR 23505"), scene.releaseHeld());
    }

    @ParameterizedTest
    @CsvSource({"true, ledger", "false, transaction-status"})
    void automaticGoesByTheLedgerOnlyOnceItIsEnabled(boolean enabled, String resolver) throws SQLException {
        CommitSchema schema = new CommitSchema("automatic " + enabled);
        LedgerView view = LedgerView.installed(scene.dataSource(), schema);
        if (enabled) {
            CommitLedger.in(schema).enable(scene.dataSource());
        }
        for (WireAction action : new WireAction[] {WireAction.CUT_AFTER, WireAction.HOLD_AND_CUT}) {
            Chronicle chronicle = new Chronicle();
            scene.script(WireScript.once(WireRequest::isCommit, action));
            Ending ending = scene.call(scene.engine(chronicle).schema(schema));
            int attempt = action == WireAction.CUT_AFTER ? 1 : 2;
            ending.returned(attempt);
            OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
            assertEquals(resolver, resolved.resolver());
            assertEquals(enabled, resolved.evidence().ledger() != null);
            assertEquals(!enabled, resolved.evidence().transactionId() != null);
            assertEquals(List.of(attempt), scene.effects(ending));
        }
        assertEquals(enabled ? 3 : 0, view.rows());
    }

    /** Looked at once per physical connection: what is switched meanwhile counts for the next. */
    @Test
    void automaticTurnsWithItsConnections() throws SQLException {
        CommitSchema schema = new CommitSchema("turned");
        LedgerView turned = LedgerView.installed(scene.dataSource(), schema);
        List<Long> rows = new ArrayList<>();
        try (ConnectTransactRetry executor = scene.engine(new Chronicle()).schema(schema).build()) {
            for (String doing : List.of("nothing", "enable", "nothing", "disable", "nothing")) {
                if (doing.equals("enable")) {
                    CommitLedger.in(schema).enable(scene.dataSource());
                } else if (doing.equals("disable")) {
                    CommitLedger.in(schema).disable(scene.dataSource());
                }
                executor.execute(tx -> {
                    try (var insert = tx.connection().createStatement()) {
                        insert.execute("INSERT INTO effect VALUES ('turned', 1)");
                    }
                });
                rows.add(turned.rows());
            }
        }
        assertEquals(List.of(0L, 1L, 2L, 2L, 2L), rows);
    }

    @ParameterizedTest
    @ValueSource(strings = {"INSERT ON %s.commit_ledger", "SELECT ON %s.commit_ledger", "UPDATE (asked) ON %s.commit_ledger",
        "UPDATE (result) ON %s.commit_ledger", "SELECT ON %s.commit_ledger_watermark",
        "UPDATE (one) ON %s.commit_ledger_watermark"})
    void automaticWithoutItsRightsSaysSoOnceAndGoesByTheStatus(String right) throws SQLException {
        String name = "without " + right.replaceAll("[^A-Za-z]", "_");
        CommitSchema schema = new CommitSchema(name);
        LedgerView view = LedgerView.installed(scene.dataSource(), schema);
        schema.grant(scene.dataSource(), APP);
        CommitLedger.in(schema).enable(scene.dataSource());
        scene.execute("REVOKE " + String.format(right, '"' + name + '"') + " FROM app");
        Chronicle chronicle = new Chronicle();
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN);
                ConnectTransactRetry executor = scene.engine(chronicle, APP).schema(schema).build()) {
            for (int call = 1; call <= 3; call++) {
                executor.execute(tx -> {
                    try (var insert = tx.connection().createStatement()) {
                        insert.execute("INSERT INTO effect VALUES ('without', 1)");
                    }
                });
            }
            List<String> warnings = log.events().stream().map(CapturedLog::text).filter(text -> text.contains("ledger")
                    && text.contains("cannot be used")).toList();
            assertEquals(1, warnings.size(), log::text);
            String named = right.substring(0, right.indexOf(" ON ")) + (right.contains("watermark") ? " on the watermark" : "");
            assertTrue(warnings.get(0).contains("[" + named + "]"), log::text);
            assertTrue(warnings.get(0).contains("grant"), log::text);
        }
        assertEquals("transaction-status", chronicle.only(OutcomeResolved.class).resolver());
        assertEquals(0, view.rows());
    }

    /** Knows nothing, so that the call stays in doubt. */
    private static final class Passing implements CommitOutcomeResolver {
        @Override
        public String name() {
            return "passing";
        }

        @Override
        public CommitOutcome resolve(OutcomeQuestion question) {
            return new Unknown("passing");
        }
    }

    private static void requireStayedOut(WireAction action, LedgerView asked, String... words) throws SQLException {
        CommitEvidence evidence = evidence(CommitSchema.standard(), action);
        assertNotNull(evidence.ledger());
        requireUntouched(asked, evidence, words);
        if (action == WireAction.HOLD_AND_CUT) {
            assertEquals(List.of("INSERT 0 1; COMMIT"), scene.releaseHeld(), "a tombstone for it would have been a lie");
        }
    }

    /** The evidence of a call that left it in the standard ledger, or another. */
    private static CommitEvidence evidence(CommitSchema schema, WireAction action) throws SQLException {
        return Outage.ofTheQuestions(scene, scene.engine(new Chronicle()).schema(schema).outcome(OutcomeMode.LEDGER), action)
                .unknown().evidence().orElseThrow();
    }

    /** The same of a call in another database. */
    private static CommitEvidence evidenceOf(String database) throws SQLException {
        PGSimpleDataSource there = database(database);
        there.setPortNumbers(new int[] {scene.proxy().port()});
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        try (ConnectTransactRetry executor = Outage.unasked(ConnectTransactRetry.builder(() -> there.getConnection())
                .outcome(OutcomeMode.LEDGER)).build()) {
            executor.execute(tx -> {
                try (var create = tx.connection().createStatement()) {
                    create.execute("CREATE TABLE IF NOT EXISTS there ()");
                }
            });
            throw new AssertionError("it was to stay in doubt");
        } catch (CommitOutcomeUnknownException unknown) {
            return unknown.evidence().orElseThrow();
        }
    }

    private static void requireUntouched(LedgerView asked, CommitEvidence evidence, String... words) throws SQLException {
        String before = asked.content();
        String standard = ledger.content();
        requireUnknown(asked.dataSource(), asked.schema(), evidence, words);
        assertEquals(before, asked.content());
        assertEquals(standard, ledger.content());
    }

    private static void requireUnknown(DataSource where, CommitSchema schema, CommitEvidence evidence, String... words) {
        try (ConnectTransactRetry executor = ledgerEngine(where, schema)) {
            Unknown unknown = assertInstanceOf(Unknown.class, executor.resolve(evidence, Duration.ofSeconds(20)));
            for (String word : words) {
                assertTrue(unknown.reason().contains(word), unknown::reason);
            }
        }
    }

    private static ConnectTransactRetry ledgerEngine(DataSource where, CommitSchema schema) {
        return ConnectTransactRetry.builder(where).schema(schema).outcome(OutcomeMode.LEDGER).build();
    }

    private static PGSimpleDataSource database(String name) {
        PGSimpleDataSource dataSource = scene.dataSource();
        dataSource.setDatabaseName(name);
        return dataSource;
    }
}
