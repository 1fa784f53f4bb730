package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.observe.TransactionEvent.AcknowledgedNotReplicated;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.CommitVerification.Finding;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A COMMIT that was acknowledged with the warning of a cancelled synchronous wait, over a pool that others use too. */
class CancelledWaitInPoolTest {

    private static final String WAITING = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

    private final AtomicReference<Connection> innocent = new AtomicReference<>();

    /** To find out, the engine may end the backend that committed. It must not be somebody else's by then. */
    @ParameterizedTest
    @EnumSource(names = {"NONE", "STATUS", "LEDGER"})
    void nobodyElseGetsTheConnectionWhileTheOutcomeIsAsked(OutcomeMode mode) throws SQLException {
        try (CommitScene scene = CommitScene.open()) {
            CommitSchema.standard().install(scene.dataSource());
            scene.server().alterSetting("synchronous_standby_names", "nobody");
            try (HikariDataSource pool = Pools.hikari(scene.server(), scene.proxy().port(), 1)) {
                Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> {
                    scene.server().alterSetting("synchronous_standby_names", "");
                    innocent.set(begin(pool));
                });
                TransactionOptions options = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(20))
                        .withVerification(CancelledWaitInPoolTest::look);
                Ending ending = CommitScene.running(
                        () -> scene.call(ConnectTransactRetry.builder(pool).outcome(mode).listener(chronicle), options),
                        () -> cancelTheWait(scene));
                chronicle.requireActed();
                chronicle.only(AcknowledgedNotReplicated.class);
                ending.returned(1);
                assertNotEquals(chronicle.only(OutcomeAsked.class).evidence().backend().pid(), pid(innocent.get()));
                requireAlive(innocent.get());
                assertEquals(List.of(1), scene.effects(ending));
            }
        }
    }

    private static Connection begin(HikariDataSource pool) throws SQLException {
        Connection taken = pool.getConnection();
        taken.setAutoCommit(false);
        try (Statement statement = taken.createStatement()) {
            statement.execute("CREATE TEMP TABLE innocent (n int)");
        }
        return taken;
    }

    private static void requireAlive(Connection connection) throws SQLException {
        try (connection; Statement statement = connection.createStatement()) {
            statement.execute("INSERT INTO innocent VALUES (1)");
            connection.commit();
        }
    }

    private static int pid(Connection connection) throws SQLException {
        try (Statement select = connection.createStatement(); ResultSet row = select.executeQuery("SELECT pg_backend_pid()")) {
            row.next();
            return row.getInt(1);
        }
    }

    private static void cancelTheWait(CommitScene scene) throws SQLException {
        Await.until("the wait", CommitScene.PATIENCE, () -> scene.ask("SELECT count(*)" + WAITING).equals("1"));
        scene.ask("SELECT pg_cancel_backend(pid)" + WAITING);
    }

    private static Finding look(Connection connection) throws SQLException {
        try (Statement select = connection.createStatement();
                ResultSet row = select.executeQuery("SELECT count(*) FROM effect")) {
            row.next();
            return row.getInt(1) > 0 ? Finding.COMMITTED : Finding.NOT_COMMITTED;
        }
    }
}
