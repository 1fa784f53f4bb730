package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.Evicted;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A pool full of connections to a server that is no primary any more. */
@Tag("matrix")
class DemotionTest {

    private static final int POOL = 4;

    private CommitScene scene;
    private PostgresServer standby;

    @BeforeEach
    void switchOver() throws SQLException {
        scene = CommitScene.open(PostgresServer.builder().setting("wal_retrieve_retry_interval", "100ms"));
        standby = scene.server().startStandby("s1");
        scene.server().stop();
        standby.promote();
        scene.server().startAsStandbyOf(standby, "s0");
    }

    @AfterEach
    void close() {
        standby.close();
        scene.close();
    }

    @Test
    void allStaleConnectionsGoAtTheFirstOneThatIsMet() throws SQLException {
        try (HikariDataSource pool = pool()) {
            Await.until("the pool to fill", CommitScene.PATIENCE, () -> pool.getHikariPoolMXBean().getIdleConnections() == POOL);
            scene.proxy().retarget(standby.port());
            Chronicle chronicle = new Chronicle();
            Ending ending = scene.call(ConnectTransactRetry.builder(pool).listener(chronicle));
            ending.returned(2);
            AttemptFailure stale = chronicle.only(AttemptFailed.class).failure();
            assertEquals(Phase.CONNECT, stale.phase());
            assertEquals("25006", stale.sqlState());
            assertEquals(Verdict.STALE_SERVER, stale.verdict());
            assertTrue(chronicle.only(Evicted.class).wholePool());
            assertEquals(List.of(2), scene.effects(standby, ending));
            requireAllOnThePrimary(pool);
        }
    }

    @Test
    void poolIsEmptiedOnceNotAtEachStaleConnection() throws SQLException {
        try (HikariDataSource pool = pool()) {
            Await.until("the pool to fill", CommitScene.PATIENCE, () -> pool.getHikariPoolMXBean().getIdleConnections() == POOL);
            Chronicle chronicle = new Chronicle();
            // The pool goes on to fill itself from the old server, until the second stale connection is met.
            chronicle.onFirst(AttemptFailed.class, failed -> failed.failure().attempt() == 1, failed -> awaitFresh(pool))
                    .onFirst(AttemptFailed.class, failed -> failed.failure().attempt() == 2, failed -> {
                        chronicle.note(Integer.toString(awaitFresh(pool)));
                        scene.proxy().retarget(standby.port());
                    });
            Ending ending = scene.call(ConnectTransactRetry.builder(pool).listener(chronicle)
                    .retryPolicy(RetryPolicy.defaults().withOutageBackoff(Backoff.fixed(Duration.ofMillis(5)))));
            chronicle.requireActed();
            assertTrue(chronicle.all(AttemptFailed.class).size() > 2, chronicle.toString());
            assertEquals(List.of(ending.attempt()), scene.effects(standby, ending));
            assertEquals(Integer.toString(1 + POOL + POOL), chronicle.order().get(0), "sessions: the first fill, the refill of the whole"
                    + " pool after the first stale connection, one more after the second");
        }
    }

    private HikariDataSource pool() {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(scene.server().jdbcUrl(scene.proxy().port()));
        config.setUsername(PostgresServer.SUPERUSER);
        config.setPassword("");
        config.setMaximumPoolSize(POOL);
        return new HikariDataSource(config);
    }

    /** Waits until the pool is full again; how many sessions there have been by then. */
    private int awaitFresh(HikariDataSource pool) {
        Await.until("the pool to fill again", CommitScene.PATIENCE,
                () -> pool.getHikariPoolMXBean().getIdleConnections() == POOL && scene.proxy().openConnections() == POOL);
        return scene.proxy().sessions();
    }

    private static void requireAllOnThePrimary(HikariDataSource pool) throws SQLException {
        List<Connection> all = new ArrayList<>();
        try {
            for (int i = 0; i < POOL; i++) {
                Connection connection = pool.getConnection();
                all.add(connection);
                try (Statement statement = connection.createStatement();
                        ResultSet row = statement.executeQuery("SELECT pg_is_in_recovery()")) {
                    row.next();
                    assertEquals("f", row.getString(1));
                }
            }
        } finally {
            for (Connection connection : all) {
                connection.close();
            }
        }
    }
}
