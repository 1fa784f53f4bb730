package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.TranslatedPostgres;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent.AcknowledgedNotReplicated;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Nothing is decided by the text of a message: the server says all in another language than English. */
class TranslatedMessagesTest {

    private static final String ERROR = "FEHLER: ";

    private static CommitScene scene;

    private final Chronicle chronicle = new Chronicle();

    @BeforeAll
    static void open() throws SQLException {
        Optional<Path> home = TranslatedPostgres.home();
        assumeTrue(home.isPresent(), TranslatedPostgres.MEND);
        scene = CommitScene.open(PostgresServer.builder().home(home.get()));
        scene.server().alterSetting("lc_messages", TranslatedPostgres.LOCALE);
        CommitSchema.standard().install(scene.dataSource());
        scene.execute("CREATE TABLE total (n int)", "INSERT INTO total VALUES (0)", "CREATE TABLE shape (a int)",
                "CREATE TABLE parent (id int PRIMARY KEY)",
                "CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
    }

    @AfterAll
    static void close() {
        if (scene != null) {
            scene.close();
        }
    }

    @AfterEach
    void letAllPass() {
        scene.releaseHeld();
        scene.script(WireScript.pass());
    }

    /** Else nothing else here shows anything. */
    @Test
    void serverDoesSpeakAnotherLanguage() {
        SQLException error = assertThrows(SQLException.class, () -> scene.ask("SELECT 1 / 0"));
        assertEquals(ERROR + "Division durch Null", error.getMessage());
    }

    @Test
    void conflictGoesAgain() {
        Ending ending = scene.call(scene.engine(chronicle), TransactionOptions.repeatableRead(), tx -> {
            run(tx, "SELECT n FROM total");
            if (tx.attempt() == 1) {
                scene.execute("UPDATE total SET n = n + 1");
            }
            run(tx, "UPDATE total SET n = n + 1");
        });
        ending.returned(2);
        assertFailed("40001", Verdict.CONFLICT);
    }

    @ParameterizedTest
    @CsvSource({"STATUS, CUT_AFTER", "STATUS, CUT_BEFORE", "STATUS, HOLD_AND_CUT", "LEDGER, CUT_AFTER", "LEDGER, CUT_BEFORE",
        "LEDGER, HOLD_AND_CUT"})
    void commitInDoubtIsResolved(OutcomeMode mode, WireAction loss) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, loss));
        Ending ending = scene.call(scene.engine(chronicle).outcome(mode));
        int last = loss == WireAction.CUT_AFTER ? 1 : 2;
        ending.returned(last);
        Class<?> found = loss == WireAction.CUT_AFTER ? Committed.class : NotCommitted.class;
        assertEquals(found, chronicle.only(OutcomeResolved.class).outcome().getClass());
        scene.releaseHeld();
        assertEquals(List.of(last), scene.effects(ending));
    }

    /** The last words of a terminated backend: in its statement, or as the answer to COMMIT. */
    @ParameterizedTest
    @EnumSource(value = OutcomeMode.class, names = {"STATUS", "LEDGER"})
    void terminatedBackendIsALostConnection(OutcomeMode mode) throws SQLException {
        Ending ending = scene.call(scene.engine(chronicle).outcome(mode), TransactionOptions.defaults(), tx -> {
            if (tx.attempt() == 1) {
                run(tx, "SELECT pg_terminate_backend(pg_backend_pid())");
            }
        });
        ending.returned(2);
        AttemptFailure failure = chronicle.only(AttemptFailed.class).failure();
        assertEquals("57P01 " + Verdict.OUTAGE, failure.sqlState() + " " + failure.verdict());
        assertEquals(List.of(2), scene.effects(ending));
    }

    @Test
    void lockThatIsNotGivenGoesAgainWhereAskedFor() throws SQLException {
        try (Connection owner = scene.server().connect()) {
            owner.setAutoCommit(false);
            owner.createStatement().execute("UPDATE total SET n = n + 1");
            Ending ending = scene.call(scene.engine(chronicle).classifier(PostgresClassifier.standard().alsoRetrying("55P03")),
                    TransactionOptions.defaults(), tx -> {
                        if (tx.attempt() == 2) {
                            owner.rollback();
                        }
                        run(tx, "SELECT n FROM total FOR UPDATE NOWAIT");
                    });
            ending.returned(2);
            assertFailed("55P03", Verdict.CONFLICT);
        }
    }

    @Test
    void planThatNoLongerFitsGoesAgain() throws SQLException {
        PGSimpleDataSource sessions = scene.dataSource(scene.proxy().port(), PostgresServer.SUPERUSER);
        sessions.setPrepareThreshold(1);
        HikariConfig config = new HikariConfig();
        config.setDataSource(sessions);
        config.setMaximumPoolSize(1);
        try (HikariDataSource pool = new HikariDataSource(config);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).listener(chronicle).build()) {
            for (int i = 0; i < 2; i++) {
                engine.run(TranslatedMessagesTest::columns);
            }
            scene.execute("ALTER TABLE shape ADD COLUMN b int");
            assertEquals(2, engine.<Integer, SQLException>run(TranslatedMessagesTest::columns));
        }
        assertFailed("0A000", Verdict.STALE_PLAN);
    }

    /** A warning, not an error, tells that the wait for a standby was given up. */
    @Test
    void cancelledWaitForAStandbyIsSeen() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "nobody");
        try {
            Ending ending = CommitScene.running(() -> scene.call(scene.engine(chronicle)), () -> {
                String waiting = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
                Await.until("a COMMIT that waits", CommitScene.PATIENCE, () -> scene.ask("SELECT count(*)" + waiting).equals("1"));
                scene.execute("SELECT pg_cancel_backend(pid)" + waiting);
                Await.until("the engine to see it", CommitScene.PATIENCE,
                        () -> !chronicle.all(AcknowledgedNotReplicated.class).isEmpty());
                scene.server().alterSetting("synchronous_standby_names", "");
            });
            ending.returned(1);
            assertEquals(List.of(1), scene.effects(ending));
        } finally {
            scene.server().alterSetting("synchronous_standby_names", "");
        }
        chronicle.only(AcknowledgedNotReplicated.class);
        assertEquals(Committed.class, chronicle.only(OutcomeResolved.class).outcome().getClass());
    }

    /** The server's own no: nothing is in doubt. */
    @ParameterizedTest
    @EnumSource(value = OutcomeMode.class, names = {"STATUS", "LEDGER"})
    void refusedCommitIsNotInDoubt(OutcomeMode mode) throws SQLException {
        Ending ending = scene.call(scene.engine(chronicle).outcome(mode), TransactionOptions.defaults(),
                tx -> run(tx, "INSERT INTO child VALUES (1)"));
        Throwable thrown = ending.threw(Exception.class);
        SQLException refusal = (SQLException) (thrown instanceof SQLException ? thrown : thrown.getCause());
        assertEquals("23503", refusal.getSQLState());
        assertTrue(refusal.getMessage().startsWith(ERROR), refusal::getMessage);
        assertEquals(List.of(), chronicle.all(OutcomeResolved.class));
        assertEquals(List.of(), scene.effects(ending));
    }

    /** The second call is refused its row, by the ledger's own constraint, and finds what the first one has stored. */
    @Test
    void keyThatIsTakenBringsTheStoredResult() throws SQLException {
        String key = KeyedScene.freshKey();
        Ending first = scene.call(scene.engine(chronicle).outcome(OutcomeMode.LEDGER), Keys.attempts(key), tx -> {
            if (tx.attempt() == 1) {
                scene.call(scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER), Keys.attempts(key)).returned(1);
            }
        });
        first.returned(1);
        assertFailed("23505", Verdict.CONFLICT);
        chronicle.only(StoredResultReturned.class);
    }

    private void assertFailed(String sqlState, Verdict verdict) {
        AttemptFailure failure = chronicle.only(AttemptFailed.class).failure();
        assertEquals(sqlState + " " + verdict, failure.sqlState() + " " + failure.verdict());
        assertTrue(failure.toString().contains(ERROR), failure::toString);
    }

    private static int columns(Transaction tx) throws SQLException {
        try (PreparedStatement select = tx.connection().prepareStatement("SELECT * FROM shape")) {
            return select.executeQuery().getMetaData().getColumnCount();
        }
    }

    private static void run(Transaction tx, String sql) throws SQLException {
        try (Statement statement = tx.connection().createStatement()) {
            statement.execute(sql);
        }
    }
}
