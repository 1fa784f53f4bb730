package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.PostgresServerBuilder;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Servers that tell next to nothing of themselves, as a hosted or a forked one may: two tables and INSERT are all that the
 * ledger needs.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Tag("matrix")
class BareServerTest {

    private static final String APP = "app";

    /** What the other ways to an outcome need. */
    private static final List<String> FUNCTIONS = List.of("pg_xact_status", "pg_current_xact_id", "pg_control_system",
            "pg_current_wal_insert_lsn", "pg_walfile_name", "pg_stat_get_bgwriter_stat_reset_time",
            "pg_logical_emit_message", "pg_terminate_backend", "pg_current_snapshot", "pg_snapshot_xmax");

    private final List<Bare> servers = new ArrayList<>();

    /** A server, and what is lacking there. */
    private record Bare(String name, CommitScene scene, LedgerView ledger, boolean tellsBackends) {
        @Override
        public String toString() {
            return name;
        }
    }

    @BeforeAll
    void open() throws SQLException, URISyntaxException {
        CommitScene revoked = scene(PostgresServer.builder());
        for (String function : FUNCTIONS) {
            revoked.execute("DO $$ DECLARE f regprocedure; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE proname = '" + function
                    + "' LOOP EXECUTE 'REVOKE EXECUTE ON FUNCTION ' || f || ' FROM PUBLIC'; END LOOP; END $$");
        }
        revoked.execute("REVOKE SELECT ON pg_stat_activity FROM PUBLIC");
        servers.add(bare("all revoked", revoked, false));
        CommitScene old = scene(PostgresServer.builder().fromBinaries(binariesOfTwelve()));
        // In 13 it is built in; before, it came with an extension.
        old.execute("CREATE FUNCTION public.gen_random_uuid() RETURNS uuid LANGUAGE sql VOLATILE"
                + " AS $$ SELECT md5(random()::text || clock_timestamp()::text)::uuid $$");
        servers.add(bare("PostgreSQL 12", old, true));
    }

    private static CommitScene scene(PostgresServerBuilder builder) throws SQLException {
        CommitScene scene = CommitScene.open(builder);
        scene.execute("CREATE ROLE app LOGIN", "GRANT INSERT ON effect TO app");
        return scene;
    }

    private static Bare bare(String name, CommitScene scene, boolean tellsBackends) throws SQLException {
        LedgerView ledger = LedgerView.installed(scene);
        CommitSchema.standard().grant(scene.dataSource(), APP);
        return new Bare(name, scene, ledger, tellsBackends);
    }

    @AfterAll
    void close() {
        servers.forEach(server -> server.scene().close());
    }

    Stream<Bare> servers() {
        return servers.stream();
    }

    @Test
    void theyAreAsBareAsIsClaimed() {
        CommitScene revoked = servers.get(0).scene();
        for (String call : List.of("pg_xact_status('1')", "pg_current_xact_id()", "pg_control_system()",
                "pg_current_wal_insert_lsn()", "pg_stat_get_bgwriter_stat_reset_time()", "pg_terminate_backend(1)")) {
            assertRefused(revoked, "SELECT * FROM " + call);
        }
        assertRefused(revoked, "SELECT * FROM pg_stat_activity");
        assertEquals(12, servers.get(1).scene().server().majorVersion());
    }

    @ParameterizedTest
    @MethodSource("servers")
    void callsCommitAndTheLogIsQuiet(Bare server) throws SQLException {
        server.scene().script(WireScript.pass());
        try (CapturedLog log = CapturedLog.ofLibrary(Level.INFO)) {
            for (Isolation isolation : Isolation.values()) {
                Chronicle chronicle = new Chronicle();
                Ending ending = server.scene().call(engine(server, chronicle),
                        TransactionOptions.defaults().withIsolation(isolation));
                ending.returned(1);
                assertEquals(List.of(1), server.scene().effects(ending));
            }
            assertEquals(List.of(), log.events(), log::text);
        }
    }

    @ParameterizedTest
    @MethodSource("servers")
    void lossesAreToldApart(Bare server) throws SQLException {
        for (WireAction action : List.of(WireAction.CUT_AFTER, WireAction.CUT_BEFORE, WireAction.HOLD_AND_CUT)) {
            server.scene().script(WireScript.once(WireRequest::isCommit, action));
            Chronicle chronicle = new Chronicle();
            Ending ending;
            try (CapturedLog log = CapturedLog.ofLibrary(Level.INFO)) {
                ending = server.scene().call(engine(server, chronicle), TransactionOptions.defaults());
                assertEquals(List.of(), log.events(Level.ERROR), log::text);
                // One that a COMMIT is in doubt, and one on what became of it.
                assertEquals(2, log.events(Level.WARN).size(), log::text);
            }
            int attempt = action == WireAction.CUT_AFTER ? 1 : 2;
            ending.returned(attempt);
            OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
            assertEquals("ledger", resolved.resolver());
            assertEquals(attempt == 1 ? Committed.class : NotCommitted.class, resolved.outcome().getClass());
            CommitEvidence evidence = resolved.evidence();
            assertNull(evidence.transactionId());
            assertNull(evidence.incarnation());
            assertEquals(server.tellsBackends(), evidence.backend().start() != null);
            List<String> late = server.scene().releaseHeld();
            if (action == WireAction.HOLD_AND_CUT && !server.tellsBackends()) {
                assertEquals(List.of("ERROR 23505"), late);
            }
            assertTrue(late.stream().noneMatch(said -> said.contains("COMMIT")), late.toString());
            assertEquals(List.of(attempt), server.scene().effects(ending));
        }
    }

    @ParameterizedTest
    @MethodSource("servers")
    void keyedCallsTakeEffectOnce(Bare server) throws SQLException {
        for (WireAction action : List.of(WireAction.PASS, WireAction.CUT_AFTER, WireAction.HOLD_AND_CUT)) {
            server.scene().script(WireScript.once(WireRequest::isCommit, action));
            TransactionOptions keyed = Keys.attempts("key " + action);
            int attempt = action == WireAction.HOLD_AND_CUT ? 2 : 1;
            Ending ending = server.scene().call(engine(server, new Chronicle()), keyed);
            ending.returned(attempt);
            server.scene().releaseHeld();
            Chronicle again = new Chronicle();
            Ending repeated = server.scene().call(engine(server, again), keyed);
            repeated.returned(attempt);
            again.only(StoredResultReturned.class);
            assertEquals(List.of(attempt), server.scene().effects(ending));
            assertEquals(List.of(), server.scene().effects(repeated));
        }
    }

    @ParameterizedTest
    @MethodSource("servers")
    void outcomeIsFoundLater(Bare server) throws SQLException {
        for (WireAction action : List.of(WireAction.CUT_AFTER, WireAction.HOLD_AND_CUT)) {
            Ending ending = Outage.ofTheQuestions(server.scene(), engine(server, new Chronicle()), action);
            CommitEvidence evidence = CommitEvidence.parse(ending.unknown().evidence().orElseThrow().toString());
            try (ConnectTransactRetry executor = engine(server, new Chronicle()).build()) {
                assertEquals(action == WireAction.CUT_AFTER ? Committed.class : NotCommitted.class,
                        executor.resolve(evidence).getClass());
            }
            server.scene().releaseHeld();
            assertEquals(action == WireAction.CUT_AFTER ? List.of(1) : List.of(), server.scene().effects(ending));
        }
    }

    /** A chain takes the id where it can be had; where there is none, the ledger is left. */
    @ParameterizedTest
    @MethodSource("servers")
    void chainMakesDoWithTheLedger(Bare server) throws SQLException {
        server.scene().script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        Ending ending = server.scene().call(engine(server, chronicle).outcome(OutcomeMode.STATUS_THEN_LEDGER));
        ending.returned(1);
        assertEquals("ledger", chronicle.only(OutcomeResolved.class).resolver());
        assertEquals("committed", server.ledger().kind(chronicle.only(OutcomeResolved.class).evidence()));
    }

    @Test
    void statusIsRefusedAndSaysWhatIsMissing() throws SQLException {
        Bare revoked = servers.get(0);
        revoked.scene().script(WireScript.pass());
        Ending ending = revoked.scene().call(engine(revoked, new Chronicle()).outcome(OutcomeMode.STATUS));
        TransactionRefusedException refused = ending.threw(TransactionRefusedException.class);
        List<String> words = new ArrayList<>(FUNCTIONS.subList(0, 7));
        words.addAll(List.of("does not let this role call it", "outcome(OutcomeMode.LEDGER)"));
        for (String word : words) {
            assertTrue(refused.getMessage().contains(word), refused::getMessage);
        }
        assertEquals(1, refused.failures().size(), "at once");
        assertEquals(List.of(), revoked.scene().effects(ending));
    }

    @ParameterizedTest
    @EnumSource(names = {"STATUS", "AUTOMATIC"})
    void statusOnPostgres12IsRefusedWithTheMend(OutcomeMode mode) throws SQLException {
        Bare old = servers.get(1);
        old.scene().script(WireScript.pass());
        Ending ending = old.scene().call(engine(old, new Chronicle()).outcome(mode));
        String message = ending.threw(TransactionRefusedException.class).getMessage();
        assertTrue(message.contains("PostgreSQL 13 or newer") && message.contains("outcome(OutcomeMode.LEDGER)"), message);
    }

    private static ConnectTransactRetryBuilder engine(Bare server, Chronicle chronicle) {
        return server.scene().engine(chronicle, APP).outcome(OutcomeMode.LEDGER);
    }

    private static void assertRefused(CommitScene scene, String sql) {
        SQLException refused = assertThrows(SQLException.class, () -> {
            try (var connection = scene.dataSource(scene.server().port(), APP).getConnection()) {
                connection.createStatement().execute(sql);
            }
        });
        assertEquals("42501", refused.getSQLState(), sql);
    }

    /** The build copies it beside the classes. */
    private static Path binariesOfTwelve() throws URISyntaxException {
        Path classes = Path.of(ConnectTransactRetry.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        Path jar = classes.resolveSibling("binaries").resolve("postgres-12.jar");
        assertTrue(Files.isRegularFile(jar), () -> jar + " is missing: run the build's phase generate-test-resources");
        return jar;
    }
}
