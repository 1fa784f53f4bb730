package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.observe.TransactionEvent.AcknowledgedNotReplicated;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Under {@code client_min_messages = error} a server keeps to itself that it gave up waiting for a synchronous standby: the
 * COMMIT looks like any other.
 */
class QuietReplicationTest {

    private static final String WAITING = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    private static final TransactionOptions LONGER = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(10));

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @BeforeEach
    void waitForAStandbyThatIsNotThere() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "nobody");
    }

    @AfterEach
    void waitForNobody() throws SQLException {
        scene.server().alterSetting("synchronous_standby_names", "");
        Await.until("the end of all waits", CommitScene.PATIENCE, () -> scene.ask("SELECT count(*)" + WAITING).equals("0"));
    }

    @Test
    void aCommitWhoseWaitIsCancelledStaysInDoubtWhileTheStandbyIsMissing() throws SQLException {
        Chronicle chronicle = new Chronicle();
        try (HikariDataSource pool = pool("error")) {
            Ending ending = CommitScene.running(
                    () -> scene.call(ConnectTransactRetry.builder(pool).listener(chronicle), CommitScene.SHORT),
                    () -> cancel(awaitWaiter(0)));
            ending.unknown();
            chronicle.only(AcknowledgedNotReplicated.class);
            assertTrue(chronicle.only(OutcomeResolved.class).outcome() instanceof Unknown, chronicle.toString());
            assertEquals(List.of(1), scene.effects(ending), "it is committed locally");
            assertEquals("error", levelOf(pool));
        }
    }

    /** Of the function's own doing, for its transaction or for the session. */
    @ParameterizedTest
    @ValueSource(strings = {"SET LOCAL", "SET"})
    void theFunctionMayAskForSilenceToo(String set) throws SQLException {
        Chronicle chronicle = new Chronicle().onFirst(AcknowledgedNotReplicated.class,
                event -> scene.server().alterSetting("synchronous_standby_names", ""));
        try (HikariDataSource pool = pool("notice")) {
            Ending ending = CommitScene.running(
                    () -> scene.call(ConnectTransactRetry.builder(pool).listener(chronicle), LONGER,
                            tx -> tx.connection().createStatement().execute(set + " client_min_messages = error")),
                    () -> cancel(awaitWaiter(0)));
            ending.returned(1);
            chronicle.requireActed();
            assertEquals("notice", levelOf(pool), "of another connection: one whose COMMIT was in doubt is not handed on");
        }
    }

    /** The question's own session is as quiet: it has the same URL. */
    @Test
    void aSealWhoseOwnWaitIsCancelledProvesNothing() throws SQLException {
        Chronicle chronicle = new Chronicle();
        try (HikariDataSource pool = pool("error")) {
            Ending ending = CommitScene.running(
                    () -> scene.call(ConnectTransactRetry.builder(pool).listener(chronicle), LONGER), () -> {
                        int writer = awaitWaiter(0);
                        // Not to be told of by a warning: what is tested is the seal alone.
                        scene.execute("SELECT pg_terminate_backend(" + writer + ")");
                        cancel(awaitWaiter(writer));
                    });
            ending.unknown();
            assertTrue(chronicle.only(OutcomeResolved.class).outcome().reason().contains("cancelled"), chronicle.toString());
            assertEquals(List.of(1), scene.effects(ending), "it is committed locally");
        }
    }

    private static HikariDataSource pool(String level) {
        return Pools.hikari(scene.server(), scene.proxy().port(), 1,
                config -> config.setJdbcUrl(config.getJdbcUrl() + "&options=-c%20client_min_messages=" + level));
    }

    private static String levelOf(HikariDataSource pool) throws SQLException {
        try (Connection connection = pool.getConnection();
                ResultSet row = connection.createStatement().executeQuery("SHOW client_min_messages")) {
            row.next();
            return row.getString(1);
        }
    }

    private static void cancel(int pid) throws SQLException {
        scene.execute("SELECT pg_cancel_backend(" + pid + ")");
    }

    /** Waits until a backend other than this one waits for the standby; its process id. */
    private static int awaitWaiter(int other) {
        int[] found = new int[1];
        Await.until("a COMMIT that waits for the standby", CommitScene.PATIENCE, () -> {
            found[0] = Integer.parseInt(scene.ask("SELECT pid" + WAITING + " AND pid <> " + other));
            return true;
        });
        return found[0];
    }
}
