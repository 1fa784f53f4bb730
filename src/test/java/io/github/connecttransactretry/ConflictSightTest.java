package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TranslatedPostgres;
import io.github.connecttransactretry.ground.StaleVersion;
import io.github.connecttransactretry.observe.Conflict;
import io.github.connecttransactretry.observe.ConflictFigures;
import io.github.connecttransactretry.observe.ConflictReport;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Real conflicts, and what the report knows of them: table, constraint, labels of both sides; never a value. */
@Tag("matrix")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ConflictSightTest {

    private static final Duration BOUND = Duration.ofSeconds(20);

    private final ConflictReport report = new ConflictReport();
    private RecordedEvents events;
    private PostgresServer server;
    private HikariDataSource pool;
    private ConnectTransactRetry engine;

    PostgresServer launch() throws SQLException {
        return PostgresServer.builder().setting("deadlock_timeout", "50ms").launch();
    }

    /** The same with a server whose messages are German. */
    @Tag("matrix")
    static class InGermanTest extends ConflictSightTest {

        @Override
        PostgresServer launch() throws SQLException {
            assumeTrue(TranslatedPostgres.home().isPresent(), TranslatedPostgres.MEND);
            PostgresServer german = PostgresServer.builder().setting("deadlock_timeout", "50ms")
                    .home(TranslatedPostgres.home().orElseThrow()).launch();
            german.alterSetting("lc_messages", TranslatedPostgres.LOCALE);
            return german;
        }
    }

    @BeforeAll
    void open() throws SQLException {
        server = launch();
        pool = Pools.hikari(server, server.port(), 4);
    }

    @AfterAll
    void close() {
        if (pool != null) {
            pool.close();
            server.close();
        }
    }

    @BeforeEach
    void begin() throws SQLException {
        execute("DROP TABLE IF EXISTS account, \"Odd \"\" name\"", "CREATE TABLE account (id int PRIMARY KEY, n int)",
                "INSERT INTO account SELECT i, 0 FROM generate_series(1, 9) i", "CREATE TABLE \"Odd \"\" name\" (id int PRIMARY KEY, n int)",
                "INSERT INTO \"Odd \"\" name\" SELECT i, 0 FROM generate_series(1, 9) i");
        report.reset();
        events = new RecordedEvents();
        engine = ConnectTransactRetry.builder(pool).listener(report).listener(events).build();
    }

    @AfterEach
    void end() {
        engine.close();
        // Keys 4711 and 4712 are all over these tests.
        assertFalse(report.toString().contains("471"), report::toString);
        assertFalse(events.of(AttemptFailed.class).stream().map(e -> String.valueOf(e.failure().conflict())).anyMatch(c -> c.contains("471")));
    }

    private void execute(String... statements) throws SQLException {
        try (Connection connection = server.connect(); Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    private static void run(Transaction tx, String sql) throws SQLException {
        try (Statement statement = tx.connection().createStatement()) {
            statement.execute(sql);
        }
    }

    private Conflict only() {
        assertEquals(1, events.of(AttemptFailed.class).size(), () -> events.all().toString());
        return events.of(AttemptFailed.class).get(0).failure().conflict();
    }

    private ConflictFigures.Line onlyLine() {
        assertEquals(1, report.figures().conflicts().size(), report::toString);
        return report.figures().conflicts().get(0);
    }

    /** PostgreSQL names no table in a 40001: it is the one that the failed statement begins with. */
    @Test
    void aLostUpdateNamesTheTableOfItsStatement() throws SQLException {
        execute("CREATE OR REPLACE FUNCTION bump(i int) RETURNS void LANGUAGE plpgsql AS"
                + " $$ BEGIN UPDATE account SET n = n + 1 WHERE id = i; END $$");
        for (String update : List.of("UPDATE account SET n = n + 1 WHERE id = 1", "SELECT n FROM account WHERE id = 1 FOR UPDATE",
                "DELETE FROM public.account WHERE id = 1", "SELECT bump(1)")) {
            loseOnce("edit", update, false);
            loseOnce("edit", update, true);
        }
        ConflictFigures.Line line = onlyLine();
        assertEquals(List.of("edit", "account", "40001", 8L, 8L),
                List.of(line.label(), line.relation(), line.sqlState(), line.times(), line.retried()));
        assertEquals(Map.of(), line.blockedBy());
        ConflictFigures.Call call = report.figures().calls().get(0);
        assertEquals(List.of(0L, 8L, 0L, 0L, 0L, 0L, 0L, 0L, 0L), call.byAttempts());
    }

    private void loseOnce(String label, String sql, boolean prepared) throws SQLException {
        engine.execute(TransactionOptions.repeatableRead().withLabel(label), tx -> {
            run(tx, "SELECT count(*) FROM account");
            if (tx.attempt() == 1) {
                execute("INSERT INTO account VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET n = account.n + 1");
            }
            if (prepared) {
                try (PreparedStatement statement = tx.connection().prepareStatement(sql)) {
                    statement.execute();
                }
            } else {
                run(tx, sql);
            }
            execute("SELECT 1");
        });
        execute("INSERT INTO account VALUES (1, 0) ON CONFLICT DO NOTHING");
    }

    /** Refused by COMMIT, or by a statement that has no table at its beginning: better no answer than a wrong one. */
    @Test
    void aWriteSkewSeenAtCommitNamesNoTable() throws SQLException {
        execute("INSERT INTO account VALUES (4711, 0), (4712, 0)");
        engine.execute(TransactionOptions.serializable().withLabel("audit"), tx -> {
            try (Connection other = server.connect(); Statement theirs = other.createStatement()) {
                run(tx, "SELECT sum(n) FROM account");
                if (tx.attempt() == 1) {
                    other.setAutoCommit(false);
                    other.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
                    theirs.executeQuery("SELECT sum(n) FROM account").close();
                    theirs.execute("UPDATE account SET n = 1 WHERE id = 4711");
                }
                run(tx, "UPDATE account SET n = 1 WHERE id = 4712");
                if (tx.attempt() == 1) {
                    other.commit();
                }
            }
        });
        Conflict conflict = only();
        assertNull(conflict.constraint());
        assertNull(conflict.blockedBy());
        assertTrue(conflict.relation() == null || conflict.relation().equals("account"), conflict::toString);
        assertEquals("40001", onlyLine().sqlState());
    }

    @Test
    void aDeadlockNamesBothSides() throws SQLException {
        deadlock("transfer", "audit", "account", "UPDATE account SET n = n + 1 WHERE id = ");
        deadlock("transfer", "audit", "Odd \" name", "UPDATE \"Odd \"\" name\" SET n = n + 1 WHERE id = ");
        deadlock("transfer", "", "account", "SELECT FROM account WHERE id = ");
    }

    /** Whoever is not the victim stays inside its function until the victim has told of it. */
    private void deadlock(String one, String other, String relation, String sql) {
        report.reset();
        String lock = sql.startsWith("SELECT") ? " FOR UPDATE" : "";
        CountDownLatch both = new CountDownLatch(2);
        AtomicBoolean survived = new AtomicBoolean();
        Caller<Void> first = locking(one, both, survived, sql + 1 + lock, sql + 2 + lock);
        Caller<Void> second = locking(other, both, survived, sql + 2 + lock, sql + 1 + lock);
        first.ending().returned();
        second.ending().returned();
        ConflictFigures.Line line = onlyLine();
        assertEquals(Set.of(one, other), Set.of(line.label(), line.blockedBy().keySet().iterator().next()));
        assertEquals(List.of("40P01", relation, 1L, 1L), List.of(line.sqlState(), line.relation(), line.times(), line.retried()));
        assertEquals(Map.of(line.label().equals(one) ? other : one, 1L), line.blockedBy());
    }

    private Caller<Void> locking(String label, CountDownLatch both, AtomicBoolean survived, String first, String then) {
        return Caller.start(() -> {
            engine.execute(TransactionOptions.defaults().withLabel(label), tx -> {
                if (tx.attempt() > 1) {
                    // Else it may take its first row again before the one that waits for it wakes up.
                    Await.until("the other one is through", BOUND, survived::get);
                }
                run(tx, first);
                both.countDown();
                Await.until("both hold one", BOUND, () -> both.getCount() == 0);
                run(tx, then);
                Await.until("the victim has told", BOUND, () -> report.figures().times() == 1);
            });
            survived.set(true);
            return null;
        });
    }

    /** A session that is none of the engine's has no label. */
    @Test
    void aDeadlockWithAStrangerNamesOneSide() throws Exception {
        try (Connection stranger = server.connect(); Statement theirs = stranger.createStatement()) {
            stranger.setAutoCommit(false);
            // It waits so patiently that the other one finds out first.
            theirs.execute("SET LOCAL deadlock_timeout = '20s'");
            theirs.execute("UPDATE account SET n = 1 WHERE id = 2");
            engine.execute(TransactionOptions.defaults().withLabel("transfer"), tx -> {
                run(tx, "UPDATE account SET n = n + 1 WHERE id = 1");
                if (tx.attempt() == 1) {
                    Caller.start(() -> {
                        theirs.execute("UPDATE account SET n = 1 WHERE id = 1");
                        stranger.commit();
                        return null;
                    });
                    Await.until("the stranger waits", BOUND, this::somebodyWaits);
                }
                run(tx, "UPDATE account SET n = n + 1 WHERE id = 2");
            });
        }
        assertEquals(new Conflict("account", null, null, null), only());
    }

    private boolean somebodyWaits() throws SQLException {
        try (Connection connection = server.connect(); Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT count(*) FROM pg_locks WHERE NOT granted")) {
            return row.next() && row.getInt(1) > 0;
        }
    }

    @Test
    void aLockThatIsNotToBeHadNamesItsTable() throws SQLException {
        try (Connection holder = server.connect(); Statement theirs = holder.createStatement()) {
            holder.setAutoCommit(false);
            theirs.execute("UPDATE account SET n = 1 WHERE id = 1");
            for (String sql : List.of("UPDATE account SET n = 1 WHERE id = 1", "LOCK TABLE account",
                    "SELECT n FROM account WHERE id = 1 FOR UPDATE NOWAIT")) {
                assertThrows(SQLException.class, () -> engine.execute(tx -> {
                    run(tx, "SET LOCAL lock_timeout = 20");
                    run(tx, sql);
                }));
            }
            holder.rollback();
        }
        ConflictFigures.Line line = onlyLine();
        assertEquals(List.of("", "account", "55P03", 3L, 0L),
                List.of(line.label(), line.relation(), line.sqlState(), line.times(), line.retried()));
        assertEquals(3, report.figures().calls().get(0).failed());
    }

    @Test
    void aTakenKeyNamesItsConstraintAndNotTheKey() throws SQLException {
        execute("INSERT INTO account VALUES (4711, 0)");
        assertThrows(SQLException.class, () -> engine.execute(tx -> run(tx, "INSERT INTO account VALUES (4711, 0)")));
        assertEquals(new Conflict("account", "account_pkey", null, null), only());
        execute("CREATE SCHEMA IF NOT EXISTS bank", "DROP TABLE IF EXISTS bank.account", "CREATE TABLE bank.account (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
        assertThrows(TransactionFailedException.class,
                () -> engine.execute(tx -> run(tx, "INSERT INTO bank.account VALUES (4711), (4711)")));
        assertEquals(Set.of("account", "bank.account"), Set.copyOf(report.figures().conflicts().stream().map(l -> l.relation()).toList()));
    }

    /** The one that a savepoint made good has the same SQLSTATE, and is not what the call ended with. */
    @Test
    void anErrorThatWasMadeGoodIsNotTheOneOfCommit() throws SQLException {
        execute("UPDATE account SET n = id", "ALTER TABLE account ADD CONSTRAINT later UNIQUE (n) DEFERRABLE INITIALLY DEFERRED");
        assertThrows(TransactionFailedException.class, () -> engine.execute(tx -> {
            run(tx, "SAVEPOINT before");
            assertThrows(SQLException.class, () -> run(tx, "INSERT INTO \"Odd \"\" name\" VALUES (1, 1)"));
            run(tx, "ROLLBACK TO before");
            run(tx, "UPDATE account SET n = 2 WHERE id = 1");
        }));
        assertEquals("account", only().relation());
        assertEquals("later", only().constraint());
    }

    /** What is no conflict with another transaction is not in the report at all. */
    @Test
    void otherFailuresAreNoConflicts() {
        assertThrows(SQLException.class, () -> engine.execute(tx -> run(tx, "SELECT 1 / 0")));
        assertNull(only());
        assertThrows(SQLException.class, () -> engine.execute(tx -> run(tx, "SELECT * FROM nowhere")));
        assertThrows(IllegalStateException.class, () -> engine.execute(tx -> {
            throw new IllegalStateException();
        }));
        assertEquals(0, report.figures().times());
        assertEquals(3, report.figures().calls().get(0).failed());
    }

    /** An earlier failure that the function has mended by a savepoint does not lend its table to the conflict that follows. */
    @Test
    void theLastStatementIsTheOneThatCounts() throws SQLException {
        engine.execute(TransactionOptions.repeatableRead(), tx -> {
            if (tx.attempt() == 1) {
                var before = tx.connection().setSavepoint();
                assertThrows(SQLException.class, () -> run(tx, "INSERT INTO account VALUES (1, 1)"));
                tx.connection().rollback(before);
                execute("UPDATE \"Odd \"\" name\" SET n = 1 WHERE id = 1");
                run(tx, "UPDATE \"Odd \"\" name\" SET n = 2 WHERE id = 1");
            }
        });
        assertEquals(new Conflict("Odd \" name", null, null, null), only());
    }

    private static final class Stale extends RuntimeException implements StaleVersion {

        private static final long serialVersionUID = 1;

        private final boolean broken;

        Stale(boolean broken) {
            this.broken = broken;
        }

        @Override
        public String table() {
            if (broken) {
                throw new IllegalStateException("broken");
            }
            return "\"public\".\"document\"";
        }

        @Override
        public Object expected() {
            return 3;
        }

        @Override
        public Object actual() {
            return 9;
        }

        @Override
        public Optional<BigDecimal> gap() {
            return Optional.of(BigDecimal.valueOf(6));
        }

        @Override
        public Optional<Duration> timeGap() {
            return Optional.empty();
        }
    }

    /** Its own trouble is no reason to hide what it stands for. */
    @Test
    void aStaleVersionThatThrowsHarmsNoCall() {
        assertThrows(Stale.class, () -> engine.execute(tx -> {
            throw new Stale(true);
        }));
        assertNull(only());
    }

    @Test
    void aStaleVersionIsTakenFromTheExceptionThatSaysSo() {
        assertThrows(Stale.class, () -> engine.execute(TransactionOptions.defaults().withLabel("edit"), tx -> {
            throw new Stale(false);
        }));
        assertThrows(IllegalStateException.class, () -> engine.execute(TransactionOptions.defaults().withLabel("edit"), tx -> {
            throw new IllegalStateException("a framework's", new Stale(false));
        }));
        ConflictFigures.Line line = onlyLine();
        assertEquals("document 3 -> 9 (6)", line.relation() + " " + line.last());
        assertEquals(2, line.times());
        assertNull(line.sqlState());
    }
}
