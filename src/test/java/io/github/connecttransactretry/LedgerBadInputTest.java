package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerResolver;
import io.github.connecttransactretry.outcome.VerificationResolver;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.postgresql.ds.PGSimpleDataSource;

/** What cannot be meant of a ledger, and what is missing of one, is told by a sentence that names the thing and the mend. */
class LedgerBadInputTest {

    private static final AtomicInteger SCHEMAS = new AtomicInteger();
    private static final Duration NEGATIVE = Duration.ofNanos(-1);
    private static final Duration FOREVER = Duration.ofSeconds(Long.MAX_VALUE);
    private static final DataSource NOWHERE = new PGSimpleDataSource();
    private static final CommitLedger LEDGER = CommitLedger.standard();
    private static final String TOO_LONG = "x".repeat(256);
    private static final String NUL = "a\0b";

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        scene.execute("CREATE ROLE app LOGIN", "GRANT INSERT ON effect TO app");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    private static ConnectTransactRetryBuilder builder() {
        return ConnectTransactRetry.builder(NOWHERE);
    }

    private static Arguments isNull(String thing, Executable call) {
        return Arguments.of(NullPointerException.class, call, new String[] {thing, "null"});
    }

    private static Arguments illegal(Executable call, String... words) {
        return Arguments.of(IllegalArgumentException.class, call, words);
    }

    static Stream<Arguments> nulls() {
        IdempotencyKey key = IdempotencyKey.of("k");
        CommitSchema standard = CommitSchema.standard();
        ConnectTransactRetry executor = builder().build();
        return Stream.of(
                isNull("outcomeMode", () -> builder().outcome(null)),
                isNull("resolver", () -> builder().outcome(OutcomeMode.LEDGER, (CommitOutcomeResolver) null)),
                isNull("resolver", () -> builder().outcome(OutcomeMode.LEDGER, (CommitOutcomeResolver[]) null)),
                isNull("allowedClockSkew", () -> builder().allowedClockSkew(null)),
                isNull("idempotencyKey", () -> TransactionOptions.defaults().withIdempotencyKey(null)),
                isNull("idempotency key", () -> TransactionOptions.idempotencyKey((String) null)),
                isNull("idempotencyKey", () -> TransactionOptions.idempotencyKey((IdempotencyKey) null)),
                isNull("verification", () -> TransactionOptions.defaults().withVerification(null)),
                isNull("evidence", () -> executor.resolve(null)),
                isNull("evidence", () -> executor.resolve(null, Duration.ofSeconds(1))),
                isNull("idempotency key", () -> IdempotencyKey.of(null)),
                isNull("fingerprint", () -> key.withFingerprint(null)),
                isNull("codec", () -> key.withResult(null)),
                isNull("schema", () -> new CommitSchema(null)),
                isNull("ledger table", () -> standard.withLedgerTable(null)),
                isNull("dataSource", () -> standard.install(null)),
                isNull("dataSource", () -> standard.grant(null, "app")),
                isNull("role", () -> standard.grant(NOWHERE, null)),
                isNull("role", () -> standard.grants(null)),
                isNull("schema", () -> CommitLedger.in(null)),
                isNull("allowedSkew", () -> LEDGER.withAllowedSkew(null)),
                isNull("longestCall", () -> LEDGER.withLongestCall(null)),
                isNull("dataSource", () -> LEDGER.enable(null)),
                isNull("dataSource", () -> LEDGER.disable(null)),
                isNull("dataSource", () -> LEDGER.figures(null)),
                isNull("dataSource", () -> LEDGER.purge(null, Duration.ofHours(1))),
                isNull("age", () -> LEDGER.purge(NOWHERE, null)),
                isNull("keyedAge", () -> LEDGER.purge(NOWHERE, Duration.ofHours(1), null)),
                isNull("schema", () -> new LedgerResolver(null)),
                isNull("allowedSkew", () -> new LedgerResolver(standard, null)),
                isNull("verification", () -> new VerificationResolver(null)));
    }

    static Stream<Arguments> illegals() {
        CommitSchema standard = CommitSchema.standard();
        IdempotencyKey key = IdempotencyKey.of("k");
        return Stream.of(
                illegal(() -> builder().allowedClockSkew(NEGATIVE), "allowedClockSkew", "not negative"),
                illegal(() -> builder().allowedClockSkew(FOREVER).build(), "allowed skew", "at most PT876000H"),
                illegal(() -> new LedgerResolver(standard, NEGATIVE), "allowed skew", "not negative"),
                illegal(() -> new LedgerResolver(standard, FOREVER), "allowed skew", "at most"),
                illegal(() -> LEDGER.withAllowedSkew(NEGATIVE), "allowed skew", "not negative"),
                illegal(() -> LEDGER.withAllowedSkew(FOREVER), "allowed skew", "at most"),
                illegal(() -> LEDGER.withLongestCall(Duration.ZERO), "longest call", "positive"),
                illegal(() -> LEDGER.withLongestCall(NEGATIVE), "longest call", "positive"),
                illegal(() -> LEDGER.withLongestCall(FOREVER), "longest call", "at most"),
                illegal(() -> LEDGER.purge(NOWHERE, Duration.ofSeconds(90)), "age is PT1M30S", "calls of PT30S", "skew of PT1M",
                        "longer than PT1M30S"),
                illegal(() -> LEDGER.purge(NOWHERE, Duration.ZERO), "age is PT0S", "longer than PT1M30S"),
                illegal(() -> LEDGER.purge(NOWHERE, NEGATIVE), "age", "longer than PT1M30S"),
                illegal(() -> LEDGER.withLongestCall(Duration.ofHours(1)).purge(NOWHERE, Duration.ofHours(1)), "calls of PT1H",
                        "longer than PT1H1M"),
                illegal(() -> LEDGER.purge(NOWHERE, Duration.ofHours(2), Duration.ofHours(1)), "with a key is PT1H", "at least PT2H"),
                illegal(() -> LEDGER.purge(NOWHERE, FOREVER), "age", "at most"),
                illegal(() -> LEDGER.purge(NOWHERE, Duration.ofHours(1), FOREVER), "age", "at most"),
                illegal(() -> new CommitSchema(""), "schema's name is blank", "connect_transact_retry"),
                illegal(() -> new CommitSchema(" \t"), "schema's name is blank"),
                illegal(() -> new CommitSchema(NUL), "schema's name", "NUL"),
                illegal(() -> new CommitSchema("ß".repeat(32)), "schema's name", "63"),
                illegal(() -> standard.withLedgerTable(" "), "ledger table's name is blank", "commit_ledger"),
                illegal(() -> standard.withLedgerTable(NUL), "ledger table's name", "NUL"),
                illegal(() -> standard.withLedgerTable("x".repeat(54)), "ledger table's name", "53"),
                illegal(() -> standard.withLedgerTable("incarnation"), "incarnation", "another name"),
                illegal(() -> IdempotencyKey.of(" "), "idempotency key is blank", "give one"),
                illegal(() -> IdempotencyKey.of(TOO_LONG), "256 characters", "255", "shorter"),
                illegal(() -> IdempotencyKey.of(NUL), "idempotency key", "NUL", "plain text"),
                illegal(() -> IdempotencyKey.of("\ud83d"), "idempotency key", "surrogate"),
                illegal(() -> key.withFingerprint(NUL), "fingerprint", "NUL"),
                illegal(() -> TransactionOptions.readOnly().withIdempotencyKey(key), "read-only", "idempotency key"),
                illegal(() -> TransactionOptions.idempotencyKey(key).withAccess(Access.READ_ONLY), "read-only", "idempotency key"),
                illegal(() -> builder().build().resolve(CommitEvidence.parse(
                        "ctr1 database=d pid=1 end"), Duration.ZERO), "timeout is PT0S", "positive"));
    }

    @ParameterizedTest
    @MethodSource({"nulls", "illegals"})
    void isRefusedByASentence(Class<? extends Exception> type, Executable call, String[] words) {
        Exception refused = assertThrows(type, call);
        for (String word : words) {
            assertTrue(refused.getMessage() != null && refused.getMessage().contains(word),
                    () -> "\"" + refused.getMessage() + "\" does not say \"" + word + "\"");
        }
        boolean mended = type != NullPointerException.class || refused.getMessage().contains("null: give");
        assertTrue(mended, () -> "\"" + refused.getMessage() + "\" names no mend");
    }

    @Test
    void longestNamesAndKeysAreTaken() throws SQLException {
        CommitSchema longest = new CommitSchema("ß".repeat(31) + "x", "表".repeat(17) + "xy");
        longest.install(scene.dataSource());
        longest.grant(scene.dataSource(), "app");
        try (ConnectTransactRetry executor = engine(longest, OutcomeMode.LEDGER)) {
            IdempotencyKey key = IdempotencyKey.of("🐘".repeat(IdempotencyKey.LONGEST)).withResult(ResultCodec.text());
            TransactionOptions once = TransactionOptions.idempotencyKey(key);
            assertEquals("first", executor.run(once, tx -> "first"));
            assertEquals("first", executor.run(once, tx -> "second"));
        }
        assertEquals(1, CommitLedger.in(longest).figures(scene.dataSource()).keyed());
    }

    private static ConnectTransactRetry engine(CommitSchema schema, OutcomeMode mode) {
        return scene.engine(new Chronicle(), "app").schema(schema).outcome(mode).build();
    }

    private static CommitSchema fresh() {
        return new CommitSchema("s" + SCHEMAS.incrementAndGet());
    }

    /** The engine refuses a call, whose function never ran, and takes the next one once that is mended, without being built anew. */
    private static void requireRefusedUntil(CommitSchema schema, OutcomeMode mode, String[] words, CommitScene.Meanwhile mend)
            throws Exception {
        try (ConnectTransactRetry executor = engine(schema, mode)) {
            for (int twice = 0; twice < 2; twice++) {
                TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> executor.run(tx -> {
                    throw new AssertionError("the function was called");
                }));
                for (String word : words) {
                    assertTrue(refused.getMessage().contains(word), refused::getMessage);
                }
            }
            mend.act();
            writeSomething(executor, schema);
        }
        assertEquals("1", scene.ask("SELECT count(*) FROM " + schema.ledger()));
        assertEquals("1", scene.ask("SELECT count(*) FROM effect WHERE call = '" + schema.name() + "'"));
    }

    private static void writeSomething(ConnectTransactRetry executor, CommitSchema schema) throws SQLException {
        executor.execute(tx -> {
            try (Statement insert = tx.connection().createStatement()) {
                insert.executeUpdate("INSERT INTO effect VALUES ('" + schema.name() + "', 1)");
            }
        });
    }

    private static void install(CommitSchema schema) throws SQLException {
        schema.install(scene.dataSource());
        schema.grant(scene.dataSource(), "app");
    }

    @ParameterizedTest
    @EnumSource(value = OutcomeMode.class, names = {"LEDGER", "STATUS_THEN_LEDGER"})
    void missingTablesAreToldUntilTheyAreThere(OutcomeMode mode) throws Exception {
        CommitSchema schema = fresh();
        requireRefusedUntil(schema, mode, new String[] {schema.ledger(), "not there", "schema.sql"}, () -> install(schema));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "USAGE ON SCHEMA s | USAGE on the schema", "SELECT ON s.commit_ledger | SELECT", "INSERT ON s.commit_ledger | INSERT",
        "UPDATE (asked) ON s.commit_ledger | UPDATE (asked)", "UPDATE (result) ON s.commit_ledger | UPDATE (result)",
        "SELECT ON s.commit_ledger_watermark | SELECT on the watermark",
        "UPDATE (one) ON s.commit_ledger_watermark | UPDATE (one) on the watermark"})
    void eachMissingRightIsToldUntilItIsGranted(String right, String told) throws Exception {
        CommitSchema schema = fresh();
        install(schema);
        scene.execute("REVOKE " + right.replaceFirst(" s\\b", " \"" + schema.name() + "\"").trim() + " FROM app");
        String[] words = {schema.ledger(), "lacks " + told + ":", "schema.sql", "GRANTs"};
        requireRefusedUntil(schema, OutcomeMode.LEDGER, words, () -> schema.grant(scene.dataSource(), "app"));
    }

    @Test
    void missingWatermarkRowIsToldUntilItIsThere() throws Exception {
        CommitSchema schema = fresh();
        install(schema);
        scene.execute("DELETE FROM \"" + schema.name() + "\".commit_ledger_watermark");
        requireRefusedUntil(schema, OutcomeMode.LEDGER, new String[] {"watermark row", schema.ledger(), "schema.sql"},
                () -> schema.install(scene.dataSource()));
    }

    @Test
    void rowSecurityOnTheWatermarkIsToldUntilThereIsAPolicy() throws Exception {
        CommitSchema schema = fresh();
        install(schema);
        String watermark = "\"" + schema.name() + "\".commit_ledger_watermark";
        scene.execute("ALTER TABLE " + watermark + " ENABLE ROW LEVEL SECURITY");
        requireRefusedUntil(schema, OutcomeMode.LEDGER, new String[] {schema.ledger(), "row security", "policy", "schema.sql"},
                () -> scene.execute("CREATE POLICY seen ON " + watermark + " USING (true)"));
    }

    /** An automatic engine does without a ledger that it cannot use, whatever is wrong with it. */
    @Test
    void automaticEngineGoesOnWithoutALedgerItCannotUse() throws SQLException {
        CommitSchema schema = fresh();
        schema.install(scene.dataSource());
        CommitLedger.in(schema).enable(scene.dataSource());
        try (ConnectTransactRetry executor = engine(schema, OutcomeMode.AUTOMATIC)) {
            writeSomething(executor, schema);
            assertEquals(0, CommitLedger.in(schema).figures(scene.dataSource()).rows());
            schema.grant(scene.dataSource(), "app");
        }
        try (ConnectTransactRetry another = engine(schema, OutcomeMode.AUTOMATIC)) {
            writeSomething(another, schema);
        }
        assertEquals(1, CommitLedger.in(schema).figures(scene.dataSource()).rows());
    }

    @Test
    void installedTwiceIsInstalledOnce() throws SQLException {
        CommitSchema schema = fresh();
        install(schema);
        CommitLedger.in(schema).enable(scene.dataSource());
        try (ConnectTransactRetry executor = engine(schema, OutcomeMode.AUTOMATIC)) {
            writeSomething(executor, schema);
            String before = contents(schema);
            schema.install(scene.dataSource());
            scene.execute(schema.ddl());
            assertEquals(before, contents(schema));
            writeSomething(executor, schema);
        }
        assertEquals(2, CommitLedger.in(schema).figures(scene.dataSource()).rows());
    }

    private static String contents(CommitSchema schema) throws SQLException {
        return scene.ask("SELECT concat((SELECT string_agg(i::text, ',') FROM s.incarnation i), (SELECT string_agg(l::text, ',')"
                .replace("s.incarnation", "\"" + schema.name() + "\".incarnation") + " FROM " + schema.ledger() + " l), (SELECT"
                + " string_agg(w::text, ',') FROM \"" + schema.name() + "\".commit_ledger_watermark w))");
    }

    /** As the version before the ledger left it: the table, its row and the rights on it stay. */
    @Test
    void schemaOfAnOlderVersionGetsTheLedgerAndKeepsItsRow() throws Exception {
        CommitSchema schema = fresh();
        String table = "\"" + schema.name() + "\".incarnation";
        scene.execute("CREATE SCHEMA \"" + schema.name() + "\"", "CREATE UNLOGGED TABLE " + table
                + " (one boolean PRIMARY KEY DEFAULT true CHECK (one), id uuid NOT NULL DEFAULT gen_random_uuid())",
                "INSERT INTO " + table + " DEFAULT VALUES ON CONFLICT DO NOTHING", "GRANT USAGE ON SCHEMA \"" + schema.name()
                + "\" TO app", "GRANT SELECT, INSERT ON " + table + " TO app");
        String life = scene.ask("SELECT id FROM " + table);
        try (ConnectTransactRetry executor = engine(schema, OutcomeMode.AUTOMATIC)) {
            writeSomething(executor, schema);
            scene.execute("DELETE FROM effect");
        }
        requireRefusedUntil(schema, OutcomeMode.LEDGER, new String[] {schema.ledger(), "not there"}, () -> install(schema));
        assertEquals(life, scene.ask("SELECT id FROM " + table));
        assertEquals(PostgresServer.SUPERUSER, scene.ask("SELECT tableowner FROM pg_tables WHERE schemaname = '" + schema.name()
                + "' AND tablename = 'commit_ledger'"));
    }
}
