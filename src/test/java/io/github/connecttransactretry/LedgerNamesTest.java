package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptStarted;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerFigures;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Whatever the schema, the ledger's table and the role are named, the ledger is written, asked and kept; each one by itself. */
class LedgerNamesTest {

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        scene.execute("GRANT INSERT ON effect TO PUBLIC");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void pass() {
        scene.script(WireScript.pass());
    }

    @ParameterizedTest
    @ValueSource(strings = {"it's a \"ledger\"; DROP TABLE effect --", "Größe 表 🐘", "back\\slash\\", "\\' \\\" '' \"\"",
        "$1 $$ $tag$ $", "? ?? {fn now()} {call x}", ":name ::text %s %n", "a\nb\tc", "; COMMIT; --", "/* comment", "E'x'",
        " blank ends ", "my commit_ledger", "connect_transact_retry", "connect_transact_retry.commit_ledger",
        "commit_ledger_watermark", "commit_ledger_key", "Commit_Ledger", "SELECT", "a.b",
        "a ledger's name of fifty-three bytes, no more no less"})
    void throughAWholeCallInDoubt(String name) throws SQLException {
        CommitSchema schema = new CommitSchema(name, name);
        scene.execute("CREATE ROLE " + quoted(name) + " LOGIN");
        schema.install(scene.dataSource());
        schema.grant(scene.dataSource(), name);
        String watermark = quoted(name) + "." + quoted(name + "_watermark");
        String ledger = scene.ask("SELECT ledger FROM " + watermark);
        schema.install(scene.dataSource());
        assertEquals(ledger, scene.ask("SELECT ledger FROM " + watermark), "installed twice is installed once");
        CommitLedger.in(schema).enable(scene.dataSource());

        requireResolved(schema, name, WireAction.CUT_AFTER, 1, Committed.class);
        requireRows(name, "committed", 1);
        requireResolved(schema, name, WireAction.CUT_BEFORE, 2, NotCommitted.class);
        requireRows(name, "committed", 2);
        requireResolved(schema, name, WireAction.HOLD_AND_CUT, 2, NotCommitted.class);
        List<String> said = scene.releaseHeld();
        assertEquals(1, said.size());
        assertNotEquals("INSERT 0 1; COMMIT", said.get(0));
        requireRows(name, "committed", 3);
        requireRows(name, "tombstone", 2);
        requireStoredResult(schema, name);
        requireKept(schema, name);
    }

    /** A call whose first COMMIT is not answered. */
    private static void requireResolved(CommitSchema schema, String role, WireAction action, int attempt,
                                        Class<? extends CommitOutcome> outcome) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle, role).schema(schema));
        ending.returned(attempt);
        assertEquals(List.of(attempt), scene.effects(ending));
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals("ledger", resolved.resolver());
        assertInstanceOf(outcome, resolved.outcome());
    }

    private static void requireStoredResult(CommitSchema schema, String name) {
        Chronicle chronicle = new Chronicle();
        for (IdempotencyKey key : List.of(IdempotencyKey.of(name), IdempotencyKey.of(name + name).claimedFirst())) {
            TransactionOptions keyed = TransactionOptions.idempotencyKey(key.withResult(ResultCodec.text()));
            try (ConnectTransactRetry engine = scene.engine(chronicle, name).schema(schema).build()) {
                assertEquals(name + " first", engine.run(keyed, tx -> name + " first"));
                assertEquals(name + " first", engine.run(keyed, tx -> name + " again"));
            }
        }
        assertEquals(2, chronicle.all(StoredResultReturned.class).size());
    }

    /** Measured, purged and turned off, with and without the standard's meaning of a backslash. */
    private static void requireKept(CommitSchema schema, String name) throws SQLException {
        CommitLedger ledger = CommitLedger.in(schema);
        PGSimpleDataSource oldStrings = scene.dataSource();
        oldStrings.setOptions("-c standard_conforming_strings=off -c escape_string_warning=off");
        for (PGSimpleDataSource dataSource : List.of(scene.dataSource(), oldStrings)) {
            LedgerFigures figures = ledger.figures(dataSource);
            assertEquals(List.of(7L, 2L, 2L), List.of(figures.rows(), figures.tombstones(), figures.keyed()), figures.toString());
        }
        ledger.purge(scene.dataSource(), Duration.ofDays(1));
        assertEquals("7", scene.ask("SELECT count(*) FROM " + quoted(name) + "." + quoted(name)));
        ledger.disable(oldStrings);
        Chronicle chronicle = new Chronicle();
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        scene.call(scene.engine(chronicle, name).schema(schema)).returned(1);
        assertNotEquals("ledger", chronicle.only(OutcomeResolved.class).resolver());
        requireRows(name, "committed", 5);
    }

    private static void requireRows(String name, String kind, int expected) throws SQLException {
        assertEquals(Integer.toString(expected), scene.ask("SELECT count(*) FROM " + quoted(name) + "." + quoted(name)
                + " WHERE kind = '" + kind + "'"), kind);
    }

    @ParameterizedTest
    @CsvSource({"one schema,a,one schema,b", "schema a,same,schema b,same", "one schema,A,one schema,a_"})
    void noLedgerAnswersForAnother(String schema, String table, String otherSchema, String otherTable) throws SQLException {
        CommitSchema mine = new CommitSchema(schema, table);
        CommitSchema other = new CommitSchema(otherSchema, otherTable);
        mine.install(scene.dataSource());
        other.install(scene.dataSource());
        CommitEvidence committed = evidence(mine, WireAction.CUT_AFTER);
        CommitEvidence lost = evidence(mine, WireAction.CUT_BEFORE);
        try (ConnectTransactRetry wrong = engine(other); ConnectTransactRetry right = engine(mine)) {
            assertInstanceOf(Unknown.class, wrong.resolve(committed));
            assertInstanceOf(Unknown.class, wrong.resolve(lost));
            assertEquals("0", scene.ask("SELECT count(*) FROM " + other.ledger()), "a tombstone for a token that was never sent");
            assertInstanceOf(Committed.class, right.resolve(committed));
            assertInstanceOf(NotCommitted.class, right.resolve(lost));
            TransactionOptions keyed = TransactionOptions.idempotencyKey(IdempotencyKey.of("k").withResult(ResultCodec.text()));
            assertEquals("right", right.run(keyed, tx -> "right"));
            assertEquals("wrong", wrong.run(keyed, tx -> "wrong"));
            assertEquals("right", right.run(keyed, tx -> "again"));
        }
    }

    private static CommitEvidence evidence(CommitSchema schema, WireAction action) {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle();
        scene.call(scene.engine(chronicle).schema(schema).outcome(OutcomeMode.LEDGER));
        return chronicle.only(OutcomeResolved.class).evidence();
    }

    private static ConnectTransactRetry engine(CommitSchema schema) {
        return scene.engine(new Chronicle()).schema(schema).outcome(OutcomeMode.LEDGER).build();
    }

    /** The tables and index of one ledger must not be taken for another's: without its own index a key would be worth nothing. */
    @ParameterizedTest
    @CsvSource({"x,x_key", "x_key,x", "x,x_watermark", "x_watermark,x"})
    void ledgersWhoseNamesCollideAreRefusedOnInstalling(String first, String second) throws SQLException {
        CommitSchema schema = new CommitSchema(first + " before " + second, first);
        schema.install(scene.dataSource());
        String count = "SELECT count(*) FROM pg_class WHERE relnamespace = '" + quoted(schema.name()) + "'::regnamespace";
        String before = scene.ask(count);
        assertThrows(SQLException.class, () -> schema.withLedgerTable(second).install(scene.dataSource()));
        assertEquals(before, scene.ask(count), "something was left behind");
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle).schema(schema).outcome(OutcomeMode.LEDGER));
        ending.returned(1);
        assertEquals("1", scene.ask("SELECT count(*) FROM " + schema.ledger()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"DROP INDEX standard_less.commit_ledger_key",
        "DROP INDEX standard_less.commit_ledger_key; CREATE INDEX ON standard_less.commit_ledger (idempotency_key)",
        "DROP INDEX standard_less.commit_ledger_key;CREATE UNIQUE INDEX ON standard_less.commit_ledger (idempotency_key, token)"})
    void ledgerWithoutItsIndexIsNotUsed(String damage) throws SQLException {
        CommitSchema schema = new CommitSchema("standard_less");
        schema.install(scene.dataSource());
        scene.execute(damage);
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle).schema(schema).outcome(OutcomeMode.LEDGER));
        TransactionRefusedException refused = ending.threw(TransactionRefusedException.class);
        assertEquals(true, refused.getMessage().contains("unique index on idempotency_key"), refused.getMessage());
        assertEquals(1, chronicle.all(AttemptStarted.class).size());
        scene.execute("DROP SCHEMA standard_less CASCADE");
    }

    private static String quoted(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }
}
