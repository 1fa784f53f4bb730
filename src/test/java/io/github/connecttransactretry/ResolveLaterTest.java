package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/** A call ended in doubt, since nobody could be asked; later somebody asks, who has nothing but the line that was logged. */
class ResolveLaterTest {

    private static final Duration SOON = Duration.ofMillis(10);

    private static CommitScene scene;
    private static LedgerView ledger;

    private final Chronicle hooks = new Chronicle();

    @TempDir
    private Path directory;

    /** Who asks. */
    enum Asker {
        ANOTHER_ENGINE, ANOTHER_PROCESS
    }

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        ledger = LedgerView.installed(scene);
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @AfterEach
    void deliver() {
        scene.releaseHeld();
    }

    @ParameterizedTest
    @CsvSource({"LEDGER, ANOTHER_ENGINE", "LEDGER, ANOTHER_PROCESS", "STATUS, ANOTHER_ENGINE", "STATUS, ANOTHER_PROCESS",
        "STATUS_THEN_LEDGER, ANOTHER_ENGINE"})
    void committed(OutcomeMode mode, Asker asker) throws Exception {
        Ending ending = lostInAnOutage(mode, WireAction.CUT_AFTER);
        String line = line(ending);
        for (int time = 1; time <= 2; time++) {
            String answer = answer(asker, mode, line);
            assertTrue(answer.startsWith("Committed: "), answer);
        }
        assertEquals(List.of(1), scene.effects(ending));
        requireNoMoreHooks(line);
    }

    @ParameterizedTest
    @EnumSource
    void notCommittedIsFinal(Asker asker) throws Exception {
        Ending ending = lostInAnOutage(OutcomeMode.LEDGER, WireAction.HOLD_AND_CUT);
        String line = line(ending);
        CommitEvidence evidence = CommitEvidence.parse(line);
        assertTrue(scene.lives(evidence.backend().pid()), "else nothing could come late");
        String answer = answer(asker, OutcomeMode.LEDGER, line);
        assertTrue(answer.startsWith("NotCommitted: "), answer);
        assertEquals("tombstone", ledger.kind(evidence));
        requireNotDelivered(scene.releaseHeld());
        assertTrue(answer(Asker.ANOTHER_ENGINE, OutcomeMode.LEDGER, line).startsWith("NotCommitted: "));
        assertEquals(List.of(), scene.effects(ending));
        requireNoMoreHooks(line);
    }

    /** With nobody to end the backend, it is the tombstone that keeps the COMMIT out. */
    @Test
    void notCommittedIsFinalWithoutAFenceToo() throws Exception {
        Ending ending = Outage.ofTheQuestions(scene, scene.engine(hooks).outcome(OutcomeMode.LEDGER), WireAction.HOLD_AND_CUT);
        CommitEvidence evidence = CommitEvidence.parse(line(ending));
        try (ConnectTransactRetry executor = straight(OutcomeMode.LEDGER, new Chronicle()).fencing(false).build()) {
            assertInstanceOf(NotCommitted.class, executor.resolve(evidence));
        }
        assertTrue(scene.lives(evidence.backend().pid()));
        assertEquals(List.of("ERROR 23505"), scene.releaseHeld());
        assertEquals(List.of(), scene.effects(ending));
    }

    /** Before the return, by the one who asks: a program that asks and ends would leave the backend with its row locks. */
    @Test
    void backendIsEndedBeforeTheReturn() throws Exception {
        Ending ending = Outage.ofTheQuestions(scene, scene.engine(hooks).outcome(OutcomeMode.LEDGER), WireAction.HOLD_AND_CUT);
        CommitEvidence evidence = CommitEvidence.parse(line(ending));
        Thread asker = Thread.currentThread();
        Chronicle chronicle = new Chronicle().onFirst(Fenced.class, fenced -> assertEquals(asker, Thread.currentThread()));
        try (ConnectTransactRetry executor = straight(OutcomeMode.LEDGER, chronicle).build()) {
            assertInstanceOf(NotCommitted.class, executor.resolve(evidence));
            chronicle.requireActed();
            assertFalse(scene.lives(evidence.backend().pid()), "it still has its row locks");
        }
        assertEquals(evidence.backend(), chronicle.all(Fenced.class).get(0).backend());
    }

    /** As behind a pooler: the ledger's resolver is the last that can tell the backend, and ends it. */
    @Test
    void backendThatIsKnownByItsTransactionAloneIsEnded() throws Exception {
        Ending ending = Outage.ofTheQuestions(scene, scene.engine(hooks).outcome(OutcomeMode.STATUS_THEN_LEDGER),
                WireAction.HOLD_AND_CUT);
        CommitEvidence whole = CommitEvidence.parse(line(ending));
        CommitEvidence pooled = new CommitEvidence(whole.database(), whole.transactionId(),
                new Backend(whole.backend().pid(), null), null, whole.ledger(), null);
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry executor = straight(OutcomeMode.LEDGER, chronicle).build()) {
            assertInstanceOf(NotCommitted.class, executor.resolve(pooled));
        }
        assertEquals(Result.TERMINATED, chronicle.only(Fenced.class).result());
        Await.until("the backend to end", CommitScene.PATIENCE, () -> !scene.lives(whole.backend().pid()));
        requireNotDelivered(scene.releaseHeld());
        assertEquals(List.of(), scene.effects(ending));
    }

    @Test
    void notCommittedByTheStatusEndsTheBackendFirst() throws Exception {
        Ending ending = lostInAnOutage(OutcomeMode.STATUS, WireAction.HOLD_AND_CUT);
        String line = line(ending);
        String answer = answer(Asker.ANOTHER_PROCESS, OutcomeMode.STATUS, line);
        assertTrue(answer.startsWith("NotCommitted: "), answer);
        assertFalse(scene.lives(CommitEvidence.parse(line).backend().pid()), "it could still commit");
        requireNotDelivered(scene.releaseHeld());
        assertEquals(List.of(), scene.effects(ending));
        requireNoMoreHooks(line);
    }

    @Test
    void limitIsKept() throws Exception {
        Ending ending = Outage.ofTheQuestions(scene, scene.engine(hooks).outcome(OutcomeMode.STATUS), WireAction.HOLD_AND_CUT);
        CommitEvidence evidence = CommitEvidence.parse(line(ending));
        try (ConnectTransactRetry executor = straight(OutcomeMode.STATUS, new Chronicle()).fencing(false).build()) {
            CommitOutcome outcome = executor.resolve(evidence, Duration.ofMillis(500));
            assertInstanceOf(Unknown.class, outcome);
            assertTrue(outcome.reason().contains("time was over"), outcome.reason());
            scene.releaseHeld();
            assertInstanceOf(Committed.class, executor.resolve(evidence, CommitScene.PATIENCE));
        }
        assertEquals(List.of(1), scene.effects(ending));
    }

    /** A row that was purged cannot be told from one that never was. */
    @ParameterizedTest
    @ValueSource(strings = {"CUT_AFTER", "HOLD_AND_CUT"})
    void unknownOnceTheLedgerWasPurged(WireAction action) throws Exception {
        CommitSchema schema = new CommitSchema("purged " + action);
        LedgerView purged = LedgerView.installed(scene.dataSource(), schema);
        Ending ending = Outage.ofTheQuestions(scene, scene.engine(hooks).schema(schema).outcome(OutcomeMode.LEDGER), action);
        CommitEvidence evidence = CommitEvidence.parse(line(ending));
        CommitLedger keeper = CommitLedger.in(schema).withAllowedSkew(Duration.ZERO).withLongestCall(Duration.ofMillis(1));
        Await.until("the row to be purged", CommitScene.PATIENCE, () -> {
            keeper.purge(scene.dataSource(), SOON);
            return purged.kind(evidence).equals("nothing");
        });
        String before = purged.content();
        try (ConnectTransactRetry executor = straight(OutcomeMode.LEDGER, hooks).schema(schema).fencing(false).build()) {
            CommitOutcome outcome = executor.resolve(evidence);
            assertInstanceOf(Unknown.class, outcome);
            assertTrue(outcome.reason().contains("purged"), outcome.reason());
        }
        assertEquals(before, purged.content(), "a tombstone would later say \"not committed\"");
        assertEquals(action == WireAction.CUT_AFTER ? List.of() : List.of("INSERT 0 1; COMMIT"), scene.releaseHeld());
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void purgeOfOlderRowsIsNoHindrance() throws Exception {
        CommitSchema schema = new CommitSchema("purged before");
        schema.install(scene.dataSource());
        CommitLedger.in(schema).purge(scene.dataSource(), Duration.ofMinutes(2));
        Ending ending = Outage.ofTheQuestions(scene, scene.engine(hooks).schema(schema).outcome(OutcomeMode.LEDGER),
                WireAction.HOLD_AND_CUT);
        CommitEvidence evidence = CommitEvidence.parse(line(ending));
        CommitLedger.in(schema).purge(scene.dataSource(), Duration.ofMinutes(2));
        try (ConnectTransactRetry executor = straight(OutcomeMode.LEDGER, hooks).schema(schema).fencing(false).build()) {
            assertInstanceOf(NotCommitted.class, executor.resolve(evidence));
        }
        assertEquals(List.of("ERROR 23505"), scene.releaseHeld());
    }

    @Test
    void closedEngineIsNotAsked() throws Exception {
        CommitEvidence evidence = committedInDoubt();
        String before = ledger.content();
        ConnectTransactRetry executor = straight(OutcomeMode.LEDGER, new Chronicle()).build();
        executor.close();
        IllegalStateException closed = assertThrows(IllegalStateException.class, () -> executor.resolve(evidence));
        assertTrue(closed.getMessage().contains("closed"), closed::getMessage);
        assertThrows(IllegalStateException.class, () -> executor.resolve(evidence, SOON));
        assertEquals(before, ledger.content());
    }

    @Test
    void engineThatAsksNobodySaysSo() throws Exception {
        CommitEvidence evidence = committedInDoubt();
        try (ConnectTransactRetry executor = straight(OutcomeMode.NONE, new Chronicle()).build()) {
            assertEquals("no resolver is configured", assertInstanceOf(Unknown.class, executor.resolve(evidence)).reason());
        }
    }

    /** The name of a database, at least, is anybody's. */
    @Test
    void evidenceOfADatabaseOfAnyNameIsReadAgain() throws Exception {
        String name = "it's a=1 + 50% \"größe\" 表 🐘";
        scene.execute("CREATE DATABASE \"" + name.replace("\"", "\"\"") + "\" TEMPLATE template0");
        PGSimpleDataSource there = scene.dataSource();
        there.setDatabaseName(name);
        CommitSchema.standard().install(there);
        PGSimpleDataSource proxied = scene.dataSource(scene.proxy().port(), PostgresServer.SUPERUSER);
        proxied.setDatabaseName(name);
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        String line;
        try (ConnectTransactRetry executor = Outage.unasked(ConnectTransactRetry.builder(() -> proxied.getConnection()))
                .outcome(OutcomeMode.STATUS_THEN_LEDGER).build()) {
            CommitOutcomeUnknownException unknown = assertThrows(CommitOutcomeUnknownException.class,
                    () -> executor.execute(tx -> tx.connection().createStatement().execute("CREATE TABLE there ()")));
            line = line(unknown);
        }
        assertEquals(name, CommitEvidence.parse(line).database());
        assertTrue(line.matches("\\p{ASCII}+") && line.lines().count() == 1, line);
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(there).outcome(OutcomeMode.LEDGER).build()) {
            assertInstanceOf(Committed.class, executor.resolve(CommitEvidence.parse(line)));
        }
    }

    /** Of which the application saw nothing but that the server was away, and that the outcome is not known. */
    private Ending lostInAnOutage(OutcomeMode mode, WireAction action) {
        return Outage.ofTheProxy(scene, scene.engine(hooks).outcome(mode).fencing(false), action, tx -> {
            tx.afterCommit(() -> hooks.note("afterCommit"));
            tx.afterRollback(() -> hooks.note("afterRollback"));
            tx.onUnknown(evidence -> hooks.note("onUnknown " + evidence));
        });
    }

    private static CommitEvidence committedInDoubt() {
        return CommitEvidence.parse(line(Outage.ofTheQuestions(scene, scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER),
                WireAction.CUT_AFTER)));
    }

    /** What an operator finds: the evidence as it was printed, in the exception and in its message alike. */
    private static String line(Ending ending) {
        return line(ending.unknown());
    }

    private static String line(CommitOutcomeUnknownException unknown) {
        CommitEvidence evidence = unknown.evidence().orElseThrow();
        String line = evidence.toString();
        assertEquals(evidence, CommitEvidence.parse(line));
        assertEquals(evidence, CommitEvidence.parse("  " + line + "\n"));
        assertTrue(unknown.getMessage().contains(line), unknown::getMessage);
        return line;
    }

    private void requireNoMoreHooks(String line) {
        assertEquals(List.of("onUnknown " + line), hooks.all(String.class), "of the call itself, and no more");
    }

    private static ConnectTransactRetryBuilder straight(OutcomeMode mode, Chronicle chronicle) {
        return ConnectTransactRetry.builder(scene.dataSource()).listener(chronicle).outcome(mode);
    }

    private String answer(Asker asker, OutcomeMode mode, String line) throws IOException, InterruptedException {
        if (asker == Asker.ANOTHER_PROCESS) {
            return program(scene.server().jdbcUrl(), PostgresServer.SUPERUSER, mode.name(), line);
        }
        try (ConnectTransactRetry executor = straight(mode, new Chronicle()).build()) {
            CommitOutcome outcome = executor.resolve(CommitEvidence.parse(line));
            return outcome.getClass().getSimpleName() + ": " + outcome.reason();
        }
    }

    private String program(String... arguments) throws IOException, InterruptedException {
        Path out = directory.resolve("out.txt");
        Path err = directory.resolve("err.txt");
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1", "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                ResolveLaterProgram.class.getName()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile()).start();
        try {
            assertTrue(process.waitFor(60, TimeUnit.SECONDS), "the program does not end");
            String said = Files.readString(out, StandardCharsets.UTF_8);
            assertEquals(0, process.exitValue(), said + Files.readString(err, StandardCharsets.UTF_8));
            return said.lines().reduce((first, last) -> last).orElse("").strip();
        } finally {
            process.destroyForcibly();
        }
    }

    private static void requireNotDelivered(List<String> said) {
        assertTrue(said.stream().noneMatch(answer -> answer.contains("COMMIT")), said.toString());
    }
}
