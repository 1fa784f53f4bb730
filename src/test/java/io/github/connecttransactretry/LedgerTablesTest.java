package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The ledger's tables come, go and are not what they should be, while engines and their pools live on. */
@Tag("matrix")
class LedgerTablesTest {

    private static final AtomicInteger SCHEMAS = new AtomicInteger();

    private static CommitScene scene;

    private final Chronicle chronicle = new Chronicle();
    private CommitSchema schema;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void install() throws SQLException {
        schema = new CommitSchema("tables" + SCHEMAS.incrementAndGet());
        schema.install(scene.dataSource());
    }

    private ConnectTransactRetryBuilder on(HikariDataSource pool) {
        return ConnectTransactRetry.builder(pool).schema(schema).listener(chronicle);
    }

    /** The backend that a call wrote by. */
    private int write(ConnectTransactRetry engine, TransactionOptions options) throws SQLException {
        return engine.run(options, tx -> {
            try (Statement statement = tx.connection().createStatement()) {
                statement.execute("INSERT INTO effect VALUES ('" + schema.name() + "', " + tx.attempt() + ")");
                try (ResultSet row = statement.executeQuery("SELECT pg_backend_pid()")) {
                    row.next();
                    return row.getInt(1);
                }
            }
        });
    }

    private int write(ConnectTransactRetry engine) throws SQLException {
        return write(engine, TransactionOptions.defaults());
    }

    private String effects() throws SQLException {
        return scene.ask("SELECT count(*) FROM effect WHERE call = '" + schema.name() + "'");
    }

    private long rows() throws SQLException {
        return CommitLedger.in(schema).figures(scene.dataSource()).rows();
    }

    /** A crash empties it: what is not found there may have been committed. */
    @ParameterizedTest
    @ValueSource(strings = {"commit_ledger", "commit_ledger_watermark"})
    void unloggedTableIsRefusedWhereTheLedgerIsDemanded(String table) throws SQLException {
        scene.execute("ALTER TABLE " + schema.name() + "." + table + " SET UNLOGGED");
        try (ConnectTransactRetry engine = scene.engine(chronicle).schema(schema).outcome(OutcomeMode.LEDGER).build()) {
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> write(engine));
            String wanted = table.equals("commit_ledger") ? "WAL logging (ALTER TABLE ... SET LOGGED)" : "WAL logging of the watermark";
            assertTrue(refused.getMessage().contains(wanted), refused::getMessage);
            scene.execute("ALTER TABLE " + schema.name() + "." + table + " SET LOGGED");
            write(engine);
        }
        assertEquals("1", effects());
    }

    @ParameterizedTest
    @ValueSource(strings = {"commit_ledger", "commit_ledger_watermark"})
    void unloggedTableIsPassedOverWithAWarningByAnAutomaticEngine(String table) throws SQLException {
        CommitLedger.in(schema).enable(scene.dataSource());
        scene.execute("ALTER TABLE " + schema.name() + "." + table + " SET UNLOGGED");
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN);
                ConnectTransactRetry engine = scene.engine(chronicle).schema(schema).build()) {
            write(engine);
            List<String> warnings = log.events(Level.WARN).stream().map(CapturedLog::text).toList();
            assertTrue(warnings.stream().anyMatch(text -> text.contains("WAL logging") && text.contains(schema.ledger())),
                    warnings::toString);
        }
        assertEquals("1", effects());
        assertEquals(0, rows());
    }

    @ParameterizedTest
    @EnumSource(names = {"LEDGER", "AUTOMATIC"})
    void droppedTablesAreToldAndNewOnesAreUsedByTheSameConnection(OutcomeMode mode) throws SQLException {
        CommitLedger.in(schema).enable(scene.dataSource());
        try (HikariDataSource pool = Pools.hikari(scene.server(), scene.proxy().port(), 1);
                ConnectTransactRetry engine = on(pool).outcome(mode).build()) {
            int backend = write(engine);
            assertEquals(1, rows());
            scene.execute("DROP TABLE " + schema.name() + ".commit_ledger, " + schema.name() + ".commit_ledger_watermark");
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> write(engine));
            assertTrue(refused.getMessage().contains(schema.ledger()), refused::getMessage);
            assertTrue(refused.getMessage().contains("nothing is committed"), refused::getMessage);
            assertEquals("1", effects());
            schema.install(scene.dataSource());
            CommitLedger.in(schema).enable(scene.dataSource());
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            assertEquals(backend, write(engine));
            OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
            assertEquals("ledger", resolved.resolver(), resolved.toString());
            assertEquals(Committed.class, resolved.outcome().getClass());
            assertEquals("2", effects());
            assertEquals(1, rows());
        }
    }

    /** What was learnt of a connection before the ledger was enabled does not hold for longer than one refusal. */
    @Test
    void keyedCallFindsALedgerThatWasEnabledMeanwhile() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(scene.server(), scene.proxy().port(), 1);
                ConnectTransactRetry engine = on(pool).build()) {
            TransactionOptions keyed = Keys.attempts("enabled " + schema.name());
            int backend = write(engine);
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> write(engine, keyed));
            assertTrue(refused.getMessage().contains("CommitLedger.enable"), refused::getMessage);
            CommitLedger.in(schema).enable(scene.dataSource());
            assertEquals(backend, write(engine, keyed));
            assertEquals(backend, write(engine, keyed));
        }
        assertEquals("2", effects());
        assertEquals(1, rows());
    }

    @Test
    void installedByManyAtOnceItIsInstalledForAll() throws SQLException {
        int installers = 4;
        for (int round = 0; round < 8; round++) {
            CommitSchema fresh = new CommitSchema("at_once_" + round);
            CyclicBarrier start = new CyclicBarrier(installers);
            List<Caller<Boolean>> callers = new ArrayList<>();
            for (int i = 0; i < installers; i++) {
                callers.add(Caller.start(() -> {
                    start.await(1, TimeUnit.MINUTES);
                    fresh.install(scene.dataSource());
                    return true;
                }));
            }
            callers.forEach(caller -> assertTrue(caller.ending().returned()));
            CommitLedger.in(fresh).enable(scene.dataSource());
            assertTrue(CommitLedger.in(fresh).figures(scene.dataSource()).enabled());
        }
    }
}
