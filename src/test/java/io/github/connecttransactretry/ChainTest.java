package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptStarted;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.CommitVerification.Finding;
import io.github.connecttransactretry.outcome.Incarnation;
import io.github.connecttransactretry.outcome.LedgerResolver;
import io.github.connecttransactretry.outcome.LedgerToken;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import java.sql.SQLException;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Several are asked in turn, each only if the one before could not say. */
class ChainTest {

    private static final int TRIES = 5;
    private static final List<String> CHAIN = List.of("transaction-status", "ledger", "first", "second", "verification");

    private static CommitScene scene;
    private static LedgerView ledger;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        ledger = LedgerView.installed(scene);
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void passAll() {
        scene.releaseHeld();
        scene.script(WireScript.pass());
    }

    @ParameterizedTest
    @CsvSource({"CUT_AFTER, committed, 1", "HOLD_AND_CUT, nothing, 2"})
    void statusIsEnoughWhereItCanBeTrusted(WireAction action, String row, int attempt) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(engine(chronicle));
        ending.returned(attempt);
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals("transaction-status", resolved.resolver());
        assertEquals(row, ledger.kind(resolved.evidence()), "the ledger was not to be asked");
        scene.releaseHeld();
        assertEquals(List.of(attempt), scene.effects(ending));
    }

    @Test
    void committedBeforeACrashIsKnownToTheLedger() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> crash());
        Ending ending = scene.call(engine(chronicle));
        chronicle.requireActed();
        ending.returned(1);
        requireFromLedger(chronicle, Committed.class);
        assertEquals(List.of(1), scene.effects(ending));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void strangersTransactionOfTheSameIdIsKeptApartByTheLedger(boolean strangerCommits) throws SQLException {
        for (int attempt = 1; attempt <= TRIES; attempt++) {
            AtomicReference<Stranger.NotReused> tooLate = new AtomicReference<>();
            AtomicReference<Stranger> stranger = new AtomicReference<>();
            Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
                crash();
                try {
                    if (strangerCommits) {
                        Stranger.commitAs(scene.server(), asked.evidence().transactionId());
                    } else {
                        stranger.set(Stranger.take(scene.server(), asked.evidence().transactionId()));
                    }
                } catch (Stranger.NotReused flushed) {
                    tooLate.set(flushed);
                }
            });
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
            Ending ending = scene.call(engine(chronicle));
            chronicle.requireActed();
            if (tooLate.get() == null) {
                CommitEvidence evidence = requireFromLedger(chronicle, NotCommitted.class);
                assertEquals(strangerCommits ? "committed" : "in progress", scene.ask("SELECT pg_xact_status('"
                        + evidence.transactionId() + "')"), "the server must speak of the stranger, else nothing is tested");
                assertEquals("tombstone", ledger.kind(evidence));
                ending.returned(2);
                assertEquals(List.of(2), scene.effects(ending));
                if (stranger.get() != null) {
                    stranger.get().close();
                }
                return;
            }
        }
        throw new AssertionError("in " + TRIES + " crashes the server never lost an id");
    }

    /** With its statistics reset a server looks as after a crash: our own transaction in progress may as well be a stranger's. */
    @Test
    void inProgressInWhatLooksLikeAnotherLifeGoesToTheLedgerAtOnce() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = new Chronicle()
                .onFirst(OutcomeAsked.class, asked -> resetStatistics());
        Ending ending = scene.call(engine(chronicle));
        chronicle.requireActed();
        ending.returned(2);
        CommitEvidence evidence = requireFromLedger(chronicle, NotCommitted.class);
        assertEquals("tombstone", ledger.kind(evidence));
        assertEquals(List.of("AttemptStarted", "OutcomeResolved", "Fenced", "AttemptStarted"), chronicle.order(
                AttemptStarted.class, OutcomeResolved.class, Fenced.class), "ended before the retry, and not before the answer");
        scene.releaseHeld();
        assertEquals(List.of(2), scene.effects(ending));
    }

    /** Before 15 a collector of its own does it, a moment later. */
    private static void resetStatistics() throws SQLException {
        String reset = "SELECT pg_stat_get_bgwriter_stat_reset_time()";
        String before = scene.ask(reset);
        scene.execute("SELECT pg_stat_reset_shared('bgwriter')");
        Await.until("the statistics to be reset", CommitScene.PATIENCE, () -> !before.equals(scene.ask(reset)));
    }

    /** Who answers, and with what; all before that one cannot say. */
    @ParameterizedTest
    @CsvSource({"0, COMMITTED", "1, COMMITTED", "2, COMMITTED", "2, NOT_COMMITTED", "3, COMMITTED", "3, NOT_COMMITTED",
        "4, COMMITTED", "4, NOT_COMMITTED", "4, CANNOT_TELL"})
    void eachIsAskedOnlyIfTheOneBeforeCouldNotSay(int position, Finding answer) throws SQLException {
        CommitEvidence evidence = strangeTo(position);
        List<String> asked = new CopyOnWriteArrayList<>();
        scene.script(request -> {
            noteOnce(asked, request.mentions("pg_xact_status"), CHAIN.get(0));
            noteOnce(asked, request.mentions("watermark"), CHAIN.get(1));
            return WireAction.PASS;
        });
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry executor = scene.engine(chronicle).outcome(OutcomeMode.STATUS_THEN_LEDGER,
                new Scripted(CHAIN.get(2), asked, position == 2 ? answer : Finding.CANNOT_TELL),
                new Scripted(CHAIN.get(3), asked, position == 3 ? answer : Finding.CANNOT_TELL))
                .build()) {
            TransactionOptions verified = TransactionOptions.defaults().withVerification(connection -> {
                asked.add(CHAIN.get(4));
                return answer;
            });
            assertEquals(kind(answer), executor.resolve(verified, evidence).getClass());
        }
        assertEquals(CHAIN.subList(0, position + 1), asked);
        assertEquals(answer == Finding.CANNOT_TELL ? "" : CHAIN.get(position), chronicle.only(OutcomeResolved.class).resolver());
    }

    /** Of a committed call, in which as many as that of the engine's own resolvers find nothing that they know. */
    private static CommitEvidence strangeTo(int position) {
        Ending ending = Outage.ofTheQuestions(scene, engine(new Chronicle()), WireAction.CUT_AFTER);
        CommitEvidence known = ending.unknown().evidence().orElseThrow();
        Incarnation here = known.incarnation();
        LedgerToken token = known.ledger();
        return new CommitEvidence(known.database(), known.transactionId(), known.backend(),
                position < 1 ? here
                        : new Incarnation(here.systemIdentifier(), here.timeline(), "2001-01-01T00:00:00.000000", here.life()),
                position < 2 ? token : new LedgerToken(UUID.randomUUID(), token.token(), token.notBefore()), known.node());
    }

    private static void noteOnce(List<String> asked, boolean now, String name) {
        if (now && !asked.contains(name)) {
            asked.add(name);
        }
    }

    /** Says what it is told to, and notes that it was asked. */
    private record Scripted(String name, List<String> asked, Finding answer) implements CommitOutcomeResolver {
        @Override
        public CommitOutcome resolve(OutcomeQuestion question) {
            asked.add(name);
            return switch (answer) {
                case COMMITTED -> new Committed("scripted", null);
                case NOT_COMMITTED -> new NotCommitted("scripted", null);
                case CANNOT_TELL -> new Unknown("scripted");
            };
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void brokenOneIsPassedOver(boolean error) throws SQLException {
        CommitOutcomeResolver broken = new CommitOutcomeResolver() {
            @Override
            public String name() {
                return "broken";
            }

            @Override
            public CommitOutcome resolve(OutcomeQuestion question) {
                if (error) {
                    throw new AssertionError("of a resolver");
                }
                throw new IllegalStateException("of a resolver");
            }
        };
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle).resolvers(broken,
                new LedgerResolver(ledger.schema())));
        ending.returned(1);
        assertEquals("ledger", chronicle.only(OutcomeResolved.class).resolver());
        assertEquals(List.of(1), scene.effects(ending));
    }

    private static ConnectTransactRetryBuilder engine(Chronicle chronicle) {
        return scene.engine(chronicle).outcome(OutcomeMode.STATUS_THEN_LEDGER);
    }

    private static void crash() {
        scene.server().crash();
        scene.server().start();
    }

    private static CommitEvidence requireFromLedger(Chronicle chronicle, Class<? extends CommitOutcome> kind) {
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals("ledger", resolved.resolver(), resolved.toString());
        assertInstanceOf(kind, resolved.outcome());
        return resolved.evidence();
    }

    private static Class<? extends CommitOutcome> kind(Finding answer) {
        return switch (answer) {
            case COMMITTED -> Committed.class;
            case NOT_COMMITTED -> NotCommitted.class;
            case CANNOT_TELL -> Unknown.class;
        };
    }
}
