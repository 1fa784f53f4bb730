package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerFigures;
import io.github.connecttransactretry.outcome.LedgerPurge;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The ledger in its keeper's hands: turned on and off, measured, and purged by age. */
@Tag("matrix")
class CommitLedgerTest {

    private static final AtomicInteger LEDGERS = new AtomicInteger();
    private static final Duration HOUR = Duration.ofHours(1);

    private static CommitScene scene;

    private CommitSchema schema;
    private CommitLedger ledger;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        scene.execute("CREATE ROLE janitor LOGIN", "CREATE ROLE visitor LOGIN");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    /** Each test has a ledger of its own, whose name needs all the quoting that there is. */
    @BeforeEach
    void install() throws SQLException {
        schema = new CommitSchema("the \"keeper's\" " + LEDGERS.incrementAndGet(), "ledger 'of' \"all\"");
        schema.install(scene.dataSource());
        ledger = CommitLedger.in(schema);
    }

    private static DataSource owner() {
        return scene.dataSource();
    }

    private void insert(String kind, String age, String key) throws SQLException {
        scene.execute("INSERT INTO " + schema.ledger() + " (token, kind, written, idempotency_key) VALUES (gen_random_uuid(), '" + kind
                + "', clock_timestamp() - interval '" + age + "', " + (key == null ? "NULL" : "'" + key + "'") + ")");
    }

    private String watermark() {
        return schema.ledger().replaceFirst("\"$", "_watermark\"");
    }

    @Test
    void engineSeesOnItsNextConnectionWhetherTheLedgerIsOn() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(scene.server(), scene.server().port(), 1);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).schema(schema).build()) {
            assertEquals(0, rowsAfterACall(executor));
            ledger.enable(owner());
            assertTrue(ledger.figures(owner()).enabled());
            assertEquals(0, rowsAfterACall(executor), "the connection was learnt before");
            pool.getHikariPoolMXBean().softEvictConnections();
            assertEquals(1, rowsAfterACall(executor));
            ledger.enable(owner());
            ledger.disable(owner());
            assertFalse(ledger.figures(owner()).enabled());
            assertEquals(2, rowsAfterACall(executor), "the connection was learnt before");
            pool.getHikariPoolMXBean().softEvictConnections();
            assertEquals(2, rowsAfterACall(executor));
        }
    }

    private long rowsAfterACall(ConnectTransactRetry executor) throws SQLException {
        executor.execute(tx -> {
            try (Statement statement = tx.connection().createStatement()) {
                statement.execute("CREATE TEMP TABLE IF NOT EXISTS touched (n int)");
            }
        });
        return ledger.figures(owner()).rows();
    }

    @Test
    void figuresAreWhatIsThere() throws SQLException {
        LedgerFigures empty = ledger.figures(owner());
        assertEquals(new LedgerFigures(0, 0, 0, null, empty.bytes(), null, false), empty);
        assertTrue(empty.bytes() > 0, "its index has a page");
        insert("committed", "3 hours", null);
        insert("committed", "2 hours", "k1");
        insert("committed", "1 hour", "k2");
        insert("tombstone", "1 hour", null);
        OffsetDateTime oldest = time("SELECT min(written) FROM " + schema.ledger());
        LedgerFigures full = ledger.figures(owner());
        assertEquals(new LedgerFigures(4, 1, 2, oldest, full.bytes(), null, false), full);
        assertTrue(full.bytes() > empty.bytes(), full.toString());
        LedgerPurge purge = ledger.purge(owner(), Duration.ofHours(10));
        assertEquals(purge.purgedBefore(), ledger.figures(owner()).purgedBefore());
    }

    private static OffsetDateTime time(String sql) throws SQLException {
        return OffsetDateTime.parse(scene.ask("SELECT to_char((" + sql + ") AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"));
    }

    @Test
    void rowsGoByAgeAndKeyedOnesLater() throws SQLException {
        insert("committed", "61 minutes", null);
        insert("committed", "61 minutes", "k1");
        insert("committed", "121 minutes", "k2");
        insert("committed", "59 minutes", null);
        insert("committed", "59 minutes", "k3");
        insert("tombstone", "61 minutes", null);
        insert("tombstone", "59 minutes", null);
        OffsetDateTime before = time("SELECT clock_timestamp() - interval '1 hour'");
        LedgerPurge purge = ledger.purge(owner(), HOUR, HOUR.multipliedBy(2));
        OffsetDateTime after = time("SELECT clock_timestamp() - interval '1 hour'");
        assertEquals(2, purge.rows());
        assertEquals(1, purge.tombstones());
        assertFalse(purge.openHidden());
        assertFalse(purge.purgedBefore().isBefore(before) || purge.purgedBefore().isAfter(after), purge.toString());
        assertEquals("k1,k3", scene.ask("SELECT string_agg(idempotency_key, ',' ORDER BY 1) FROM " + schema.ledger()));
        assertEquals(4, ledger.figures(owner()).rows());
        assertEquals(1, ledger.purge(owner(), HOUR).rows(), "without an age of their own, keyed rows go as the others");
    }

    @Test
    void oneRunDeletesAnyNumberInBatchesOfATransactionEach() throws SQLException {
        scene.execute("CREATE TABLE IF NOT EXISTS batch (id xid8, kind text, rows bigint)", "TRUNCATE batch",
                "CREATE OR REPLACE FUNCTION note_batch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO batch"
                + " SELECT pg_current_xact_id(), max(kind), count(*) FROM gone; RETURN NULL; END $$",
                "CREATE TRIGGER note AFTER DELETE ON " + schema.ledger() + " REFERENCING OLD TABLE AS gone"
                + " FOR EACH STATEMENT EXECUTE FUNCTION note_batch()");
        for (String kind : new String[] {"committed", "tombstone"}) {
            scene.execute("INSERT INTO " + schema.ledger() + " (token, kind, written) SELECT gen_random_uuid(), '" + kind
                    + "', clock_timestamp() - interval '2 hours' FROM generate_series(1, 20005)");
        }
        insert("committed", "1 minute", null);
        LedgerPurge purge = ledger.purge(owner(), HOUR);
        assertEquals(20_005, purge.rows());
        assertEquals(20_005, purge.tombstones());
        assertEquals(1, ledger.figures(owner()).rows());
        assertEquals("10000,10000,5,10000,10000,5", scene.ask("SELECT string_agg(rows::text, ',' ORDER BY id) FROM batch"));
        assertEquals("6", scene.ask("SELECT count(DISTINCT id) FROM batch"));
    }

    @Test
    void watermarkIsNeverLowered() throws SQLException {
        OffsetDateTime raised = ledger.purge(owner(), HOUR).purgedBefore();
        LedgerPurge longer = ledger.purge(owner(), Duration.ofHours(10));
        assertEquals(raised, longer.purgedBefore());
        assertEquals(raised, ledger.figures(owner()).purgedBefore());
        assertTrue(ledger.purge(owner(), HOUR).purgedBefore().isAfter(raised));
    }

    /** The watermark of an earlier purge with a shorter age must not shorten what this one promises. */
    @Test
    void agesAreCountedFromNowWhateverAnEarlierPurgeSaid() throws SQLException {
        ledger.purge(owner(), HOUR);
        insert("committed", "15 hours", "k1");
        insert("committed", "25 hours", "k2");
        insert("committed", "5 hours", null);
        insert("tombstone", "5 hours", null);
        LedgerPurge purge = ledger.purge(owner(), Duration.ofHours(10), Duration.ofHours(20));
        assertEquals(1, purge.rows());
        assertEquals(0, purge.tombstones());
        assertEquals("k1", scene.ask("SELECT string_agg(idempotency_key, ',') FROM " + schema.ledger()));
    }

    @Test
    void tombstoneStaysWhileAnOlderTransactionRuns() throws Exception {
        CommitLedger quick = ledger.withAllowedSkew(Duration.ZERO).withLongestCall(Duration.ofNanos(1));
        try (Connection older = scene.server().connect(); Statement statement = older.createStatement()) {
            older.setAutoCommit(false);
            statement.execute("SELECT 1");
            insert("tombstone", "0 s", null);
            insert("tombstone", "1 day", null);
            insert("committed", "0 s", null);
            LedgerPurge kept = quick.purge(owner(), Duration.ofNanos(1000));
            assertEquals(1, kept.tombstones(), "the one that was there before the transaction");
            assertEquals(1, kept.rows(), "a committed row keeps nobody out");
            assertEquals(time("SELECT xact_start FROM pg_stat_activity WHERE state = 'idle in transaction'"), kept.oldestOpen());
            older.commit();
            LedgerPurge gone = quick.purge(owner(), Duration.ofNanos(1000));
            assertEquals(1, gone.tombstones());
            assertNull(gone.oldestOpen());
        }
        assertEquals(0, ledger.figures(owner()).rows());
    }

    /** It cannot see when other roles' transactions began: one may be older than any tombstone. */
    @Test
    void janitorWhoCannotSeeOtherRolesKeepsAllTombstones() throws SQLException {
        schema.grant(owner(), "janitor");
        grantPurge("DELETE", "UPDATE (purged_before)");
        insert("tombstone", "1 day", null);
        insert("committed", "1 day", null);
        DataSource janitor = scene.dataSource(scene.server().port(), "janitor");
        try (Connection visitor = scene.dataSource(scene.server().port(), "visitor").getConnection()) {
            assertTrue(visitor.isValid(5));
            LedgerPurge blind = ledger.purge(janitor, HOUR);
            assertEquals(1, blind.rows());
            assertEquals(0, blind.tombstones());
            assertTrue(blind.openHidden());
            assertNull(blind.oldestOpen());
            scene.execute("GRANT pg_monitor TO janitor");
            LedgerPurge seeing = ledger.purge(janitor, HOUR);
            assertFalse(seeing.openHidden());
            assertEquals(1, seeing.tombstones());
        } finally {
            scene.execute("REVOKE pg_monitor FROM janitor");
        }
    }

    /** As {@code schema.sql} words it. */
    private void grantPurge(String onLedger, String onWatermark) throws SQLException {
        scene.execute("GRANT " + onLedger + " ON " + schema.ledger() + " TO janitor",
                "GRANT " + onWatermark + " ON " + watermark() + " TO janitor");
    }

    @ParameterizedTest
    @ValueSource(strings = {"DELETE ON LEDGER", "UPDATE (purged_before) ON WATERMARK"})
    void withoutARightNothingIsChanged(String right) throws SQLException {
        schema.grant(owner(), "janitor");
        grantPurge("DELETE", "UPDATE (purged_before)");
        scene.execute("REVOKE " + right.replace("LEDGER", schema.ledger()).replace("WATERMARK", watermark()) + " FROM janitor");
        insert("committed", "1 day", null);
        SQLException refused = assertThrows(SQLException.class,
                () -> ledger.purge(scene.dataSource(scene.server().port(), "janitor"), HOUR));
        assertEquals("42501", refused.getSQLState());
        assertEquals(1, ledger.figures(owner()).rows());
        assertNull(ledger.figures(owner()).purgedBefore());
    }

    @Test
    void poolGetsItsConnectionBackAsItWasAlsoAfterAFailure() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(scene.server(), scene.server().port(), 1)) {
            ledger.purge(pool, HOUR);
            assertTrue(state(pool));
            scene.execute("DROP TABLE " + schema.ledger());
            assertEquals("42P01", assertThrows(SQLException.class, () -> ledger.purge(pool, HOUR)).getSQLState());
            assertTrue(state(pool));
        }
        try (HikariDataSource manual = Pools.hikari(scene.server(), scene.server().port(), 1, c -> c.setAutoCommit(false))) {
            schema.install(manual);
            ledger.enable(manual);
            ledger.purge(manual, HOUR);
            assertFalse(state(manual));
        }
        assertTrue(ledger.figures(owner()).enabled());
    }

    private static boolean state(HikariDataSource pool) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            assertEquals("0", scene.ask("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"));
            return connection.getAutoCommit();
        }
    }

    @Test
    void missingTablesAreNamed() {
        CommitLedger nowhere = CommitLedger.in(new CommitSchema("nowhere"));
        requireNamed("nowhere", () -> nowhere.enable(owner()));
        requireNamed("nowhere", () -> nowhere.disable(owner()));
        requireNamed("nowhere", () -> nowhere.figures(owner()));
        requireNamed("nowhere", () -> nowhere.purge(owner(), HOUR));
    }

    @Test
    void missingWatermarkRowIsNamedWithItsMend() throws SQLException {
        scene.execute("DELETE FROM " + watermark());
        String[] words = {"watermark row of " + schema.ledger(), "schema.sql"};
        requireNamed(words[0], () -> ledger.enable(owner()), words);
        requireNamed(words[0], () -> ledger.disable(owner()), words);
        requireNamed(words[0], () -> ledger.purge(owner(), HOUR), words);
        requireNamed(words[0], () -> ledger.figures(owner()), words);
        schema.install(owner());
        ledger.purge(owner(), HOUR);
        ledger.enable(owner());
        assertTrue(ledger.figures(owner()).enabled());
    }

    private static void requireNamed(String name, Executable call, String... words) {
        SQLException refused = assertThrows(SQLException.class, call);
        assertTrue(refused.getMessage().contains(name), refused::getMessage);
        for (String word : words) {
            assertTrue(refused.getMessage().contains(word), refused::getMessage);
        }
    }
}
