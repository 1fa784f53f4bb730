package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@Tag("matrix")
class StandbyTest {

    private static final Duration BOUND = Duration.ofSeconds(20);
    private static final String ROWS = "SELECT count(*) FROM t";
    private static final String TIMELINE = "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

    private PostgresServer primary;
    private PostgresServer standby;

    @BeforeEach
    void launch() throws SQLException {
        // No power fails here, processes are killed: without fsync the same happens in less time.
        primary = PostgresServer.builder().setting("fsync", "off").launch();
        Sql.run(primary, "CREATE TABLE t (id int PRIMARY KEY)");
        primary.requirePassword("clerk", "secret");
        standby = primary.startStandby("s1");
    }

    @AfterEach
    void close() {
        standby.close();
        primary.close();
    }

    @Test
    void followsAndIsPromotedAfterACrash() throws SQLException {
        String identifier = "SELECT system_identifier FROM pg_control_system()";
        assertEquals(Sql.value(primary, identifier), Sql.value(standby, identifier));
        assertEquals("25006",
                assertThrows(SQLException.class, () -> Sql.run(standby, "INSERT INTO t VALUES (9)")).getSQLState());
        Sql.run(primary, "INSERT INTO t VALUES (1)");
        Await.until("the row on the standby", BOUND, () -> Sql.value(standby, ROWS).equals("1"));
        String timeline = Sql.value(primary, TIMELINE);
        try (Connection before = standby.connect()) {
            primary.crash();
            standby.promote();

            Sql.run(before, "INSERT INTO t VALUES (2)");
        }
        assertEquals("2", Sql.value(standby, ROWS));
        assertEquals("00000001", timeline);
        assertEquals("00000002", Sql.value(standby, TIMELINE));
    }

    @Test
    void aStandbyThatLagsLosesAnAcknowledgedCommit() throws SQLException {
        // The walsender held still is the network between the two that lags.
        primary.suspend(Integer.parseInt(Sql.value(primary, "SELECT pid FROM pg_stat_replication")));
        Sql.run(primary, "INSERT INTO t VALUES (1)");

        primary.crash();
        standby.promote();

        assertEquals("0", Sql.value(standby, ROWS));
    }

    @Test
    void canBeSynchronous() throws SQLException {
        primary.alterSetting("synchronous_standby_names", "s1");
        Await.until("s1 to be synchronous", BOUND,
                () -> "sync".equals(Sql.value(primary, "SELECT sync_state FROM pg_stat_replication")));
        standby.stop();
        try (Connection waiting = primary.connect()) {
            String pid = Sql.value(waiting, "SELECT pg_backend_pid()");
            waiting.setNetworkTimeout(Runnable::run, 500);
            assertThrows(SQLException.class, () -> Sql.run(waiting, "INSERT INTO t VALUES (1)"));

            assertEquals("SyncRep", Sql.value(primary, "SELECT wait_event FROM pg_stat_activity WHERE pid = " + pid));
        }
        standby.start();
        Await.until("the commit", BOUND, () -> Sql.value(primary, ROWS).equals("1"));
    }

    @Test
    void aCopyOfASynchronousPrimaryDoesNotWaitForTheOldStandbys() throws SQLException {
        primary.alterSetting("synchronous_standby_names", "s1");
        try (PostgresServer second = primary.startStandby("s2")) {
            primary.crash();
            second.promote();

            Sql.run(second, "INSERT INTO t VALUES (1)");
            assertEquals("", Sql.value(second, "SHOW synchronous_standby_names"));
        }
    }

    @Test
    void theOldPrimaryCanFollowTheNewOneAfterACleanStop() throws SQLException {
        primary.stop();
        standby.promote();

        primary.startAsStandbyOf(standby, "old");

        Sql.run(standby, "INSERT INTO t VALUES (1)");
        Await.until("the row on the old primary", BOUND, () -> Sql.value(primary, ROWS).equals("1"));
        assertEquals("t", Sql.value(primary, "SELECT pg_is_in_recovery()"));
    }

    @Test
    void aPrimaryCannotBePromoted() {
        SQLException refused = assertThrows(SQLException.class, primary::promote);

        assertTrue(refused.getMessage().contains("recovery is not in progress"), refused.getMessage());
    }

    @Test
    void passwordsGoAlong() throws SQLException {
        assertThrows(SQLException.class, () -> DriverManager.getConnection(standby.jdbcUrl(), "clerk", "no").close());
        DriverManager.getConnection(standby.jdbcUrl(), "clerk", "secret").close();
    }
}
