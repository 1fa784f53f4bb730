package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerPurge;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A purge takes no tombstone that a COMMIT yet to come could need, whatever the server tells of its transaction. */
class TombstonePurgeTest {

    private static final CommitLedger QUICK = CommitLedger.standard().withLongestCall(Duration.ofNanos(1));
    private static final String HELD_START =
            "SELECT xact_start FROM pg_stat_activity WHERE usename = 'app' AND state LIKE 'idle in%'";

    private CommitScene scene;

    /** The first attempt's COMMIT comes late, from a backend that nobody ends. */
    @BeforeEach
    void open() throws SQLException {
        scene = CommitScene.open();
        CommitSchema.standard().install(scene.dataSource());
        scene.execute("CREATE ROLE app LOGIN", "GRANT INSERT ON effect TO app");
        CommitSchema.standard().grant(scene.dataSource(), "app");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
    }

    @AfterEach
    void close() {
        scene.close();
    }

    private Ending callWhoseFirstCommitIsHeld() {
        Ending ending = scene.call(scene.engine(new Chronicle(), "app").outcome(OutcomeMode.LEDGER).fencing(false));
        ending.returned(2);
        return ending;
    }

    @ParameterizedTest
    @ValueSource(strings = {"on", "off"})
    void tombstoneStaysWhetherOrNotTheSessionTellsWhenItsTransactionBegan(String trackActivities) throws SQLException {
        scene.execute("ALTER ROLE app SET track_activities = " + trackActivities);
        Ending ending = callWhoseFirstCommitIsHeld();
        Duration age = Duration.ofMillis(5);
        awaitTrue("SELECT written < clock_timestamp() - interval '50 ms' FROM connect_transact_retry.commit_ledger"
                + " WHERE kind = 'tombstone'");
        CommitLedger atOnce = QUICK.withAllowedSkew(Duration.ZERO);
        LedgerPurge kept = atOnce.purge(scene.dataSource(), age);
        assertEquals(0, kept.tombstones());
        assertEquals(trackActivities.equals("off"), kept.openHidden());
        if (trackActivities.equals("on")) {
            assertNotNull(kept.oldestOpen());
        }
        requireKeptOut(ending);
        awaitTrue("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'app'");
        assertEquals(1, atOnce.purge(scene.dataSource(), age).tombstones(), "with nobody left it is of no more use");
    }

    /** The clock was set back between BEGIN and the tombstone, which is the younger of the two and does not look it. */
    @Test
    void tombstoneStaysThatIsOlderByLessThanTheAllowedSkew() throws SQLException {
        Ending ending = callWhoseFirstCommitIsHeld();
        scene.execute("UPDATE connect_transact_retry.commit_ledger SET written = (" + HELD_START + ") - interval '59.9 s'"
                + " WHERE kind = 'tombstone'");
        awaitTrue("SELECT (" + HELD_START + ") < clock_timestamp() - interval '200 ms'");
        LedgerPurge kept = QUICK.withAllowedSkew(Duration.ofMinutes(1)).purge(scene.dataSource(), Duration.ofMillis(60_001));
        assertEquals(0, kept.tombstones());
        assertNotNull(kept.oldestOpen());
        requireKeptOut(ending);
    }

    private void requireKeptOut(Ending ending) throws SQLException {
        assertEquals(List.of("ERROR 23505"), scene.releaseHeld());
        assertEquals(List.of(2), scene.effects(ending));
    }

    private void awaitTrue(String condition) {
        Await.until(condition, CommitScene.PATIENCE, () -> scene.ask(condition).equals("t"));
    }
}
