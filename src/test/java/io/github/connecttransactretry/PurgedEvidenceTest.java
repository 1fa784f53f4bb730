package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.ManualTime;
import io.github.connecttransactretry.fixtures.OneConnection;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerToken;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What was purged is unknown, never not committed: where a row may have been, no tombstone is written. */
class PurgedEvidenceTest {

    private static final CommitSchema SCHEMA = CommitSchema.standard();

    /** Forgets what is a millisecond old. */
    private static final CommitLedger QUICK = CommitLedger.in(SCHEMA).withAllowedSkew(Duration.ZERO)
            .withLongestCall(Duration.ofNanos(1));

    private static CommitScene scene;
    private static CommitEvidence taken;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        SCHEMA.install(scene.dataSource());
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        scene.releaseHeld();
        scene.script(WireScript.pass());
        scene.execute("TRUNCATE " + SCHEMA.ledger(), "UPDATE connect_transact_retry.commit_ledger_watermark SET purged_before = '-infinity'");
    }

    private static ConnectTransactRetryBuilder engine(Chronicle chronicle, Duration skew) {
        return scene.engine(chronicle).outcome(OutcomeMode.LEDGER).allowedClockSkew(skew);
    }

    private static CommitOutcome resolve(CommitEvidence evidence, Duration skew) {
        try (ConnectTransactRetry executor = engine(new Chronicle(), skew).build()) {
            return executor.resolve(evidence);
        }
    }

    private static long rows() throws SQLException {
        return QUICK.figures(scene.dataSource()).rows();
    }

    /** Waits until all rows, and the evidence, are older than the age of the purge. */
    private static void purge(CommitEvidence evidence) throws SQLException {
        Instant written = evidence.ledger().notBefore();
        Await.until("the database's clock to go on", CommitScene.PATIENCE, () -> scene.ask("SELECT clock_timestamp()"
                + " - interval '10 ms' > coalesce((SELECT max(written) FROM " + SCHEMA.ledger() + "), '-infinity')"
                + " AND clock_timestamp() - interval '10 ms' > '" + written + "'").equals("t"));
        QUICK.purge(scene.dataSource(), Duration.ofMillis(1));
    }

    /** What a call leaves whose caller does not know; it was committed if it was cut after. */
    private static CommitEvidence inDoubt(WireAction action) {
        scene.script(WireScript.once(WireRequest::isCommit, action));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> scene.proxy().refuse(true));
        Ending ending = scene.call(engine(chronicle, Duration.ZERO), CommitScene.SHORT);
        scene.proxy().refuse(false);
        chronicle.requireActed();
        return ending.unknown().evidence().orElseThrow();
    }

    @ParameterizedTest
    @CsvSource({"PT0S", "PT1M"})
    void committedTokenThatWasPurgedIsUnknownAndNothingIsWritten(Duration skew) throws SQLException {
        CommitEvidence evidence = inDoubt(WireAction.CUT_AFTER);
        assertEquals(1, rows());
        assertInstanceOf(Committed.class, resolve(evidence, skew));
        purge(evidence);
        assertEquals(0, rows());
        for (int again = 0; again < 2; again++) {
            Unknown unknown = assertInstanceOf(Unknown.class, resolve(CommitEvidence.parse(evidence.toString()), skew));
            assertTrue(unknown.reason().contains("purged"), unknown.reason());
            assertEquals(0, rows(), "a tombstone would say not committed the next time");
        }
    }

    @Test
    void purgedInTheMiddleOfACallIsUnknownToItsCaller() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> purge(asked.evidence()));
        Ending ending = scene.call(engine(chronicle, Duration.ZERO));
        chronicle.requireActed();
        assertTrue(ending.unknown().getMessage().contains("purged"), ending.thrown()::getMessage);
        assertEquals(List.of(1), scene.effects(ending));
        assertEquals(0, rows());
    }

    /** Evidence that is not old enough to have been purged is answered as ever, by a tombstone. */
    @Test
    void youngerEvidenceStillGetsItsTombstone() throws SQLException {
        purge(inDoubt(WireAction.CUT_AFTER));
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(engine(chronicle, Duration.ZERO));
        ending.returned(2);
        assertInstanceOf(NotCommitted.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals(1, QUICK.figures(scene.dataSource()).tombstones());
        scene.releaseHeld();
        assertEquals(List.of(2), scene.effects(ending));
    }

    /** The time is learnt once per connection: were a token as old as that, every purge since would make it unknown. */
    @Test
    void tokenIsAsOldAsTheCallHoweverOldTheConnection() throws SQLException {
        ManualTime time = new ManualTime();
        Chronicle chronicle = new Chronicle();
        TransactionalAction<SQLException> work = tx -> tx.connection().prepareStatement("SELECT 1").execute();
        Instant before = clock();
        Instant after;
        try (Connection kept = scene.server().connect(scene.proxy().port());
                ConnectTransactRetry executor = ConnectTransactRetry.builder(new OneConnection(kept)).timeSource(time)
                        .resolverDataSource(scene.dataSource()).listener(chronicle).outcome(OutcomeMode.LEDGER).build()) {
            executor.execute(work);
            after = clock();
            time.advance(Duration.ofHours(1));
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            executor.execute(work);
        }
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertInstanceOf(Committed.class, resolved.outcome());
        Instant learnt = resolved.evidence().ledger().notBefore().minus(Duration.ofHours(1));
        assertTrue(!learnt.isBefore(before) && !learnt.isAfter(after), () -> before + " <= " + learnt + " <= " + after);
    }

    private static Instant clock() throws SQLException {
        return Instant.EPOCH.plus(Long.parseLong(scene.ask("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")),
                ChronoUnit.MICROS);
    }

    /** What was found by a row or tombstone counts however old the evidence is. */
    @Test
    void rowThatIsStillThereDecidesWhateverTheWatermarkSays() throws SQLException {
        CommitEvidence committed = inDoubt(WireAction.CUT_AFTER);
        CommitEvidence lost = inDoubt(WireAction.CUT_BEFORE);
        assertInstanceOf(NotCommitted.class, resolve(lost, Duration.ZERO));
        scene.execute("UPDATE connect_transact_retry.commit_ledger_watermark SET purged_before = now() + interval '1 day'");
        assertInstanceOf(Committed.class, resolve(committed, Duration.ZERO));
        assertInstanceOf(NotCommitted.class, resolve(lost, Duration.ZERO));
        assertEquals(2, rows());
    }

    @ParameterizedTest
    @CsvSource({"PT0S, 0, true", "PT0S, 1000, true", "PT0S, -1000, false", "PT0S, -1, false", "PT0S, -500, false", "PT0.5S, 500000000, true",
        "PT0.5S, 499999999, false", "PT0.5S, 499999000, false", "PT1M, 60000000000, true", "PT1M, 59999999999, false",
        "PT1M, 3600000000000, true", "PT1M, -3600000000000, false"})
    void evidenceMustBeYoungerThanTheWatermarkByTheSkew(Duration skew, long nanosAfter, boolean answered) throws SQLException {
        if (taken == null) {
            taken = inDoubt(WireAction.CUT_AFTER);
            empty();
        }
        Instant watermark = Instant.parse("2026-01-02T03:04:05.000006Z");
        scene.execute("UPDATE connect_transact_retry.commit_ledger_watermark SET purged_before = '" + watermark + "'");
        CommitEvidence evidence = taken.with(new LedgerToken(taken.ledger().ledger(), UUID.randomUUID(),
                watermark.plusNanos(nanosAfter)));
        CommitOutcome outcome = resolve(evidence, skew);
        assertEquals(answered ? NotCommitted.class : Unknown.class, outcome.getClass(), outcome::toString);
        assertEquals(answered ? 1 : 0, rows());
    }
}
