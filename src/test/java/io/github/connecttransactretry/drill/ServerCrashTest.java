package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a crash does to acknowledged and open transactions, and to transaction ids. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@Tag("matrix")
class ServerCrashTest {

    private static final String STATS_RESET = "SELECT pg_stat_get_bgwriter_stat_reset_time()";

    private PostgresServer server;

    @BeforeEach
    void launch() throws SQLException {
        server = PostgresServer.launch();
        Sql.run(server, "CREATE TABLE t (id int PRIMARY KEY)");
    }

    @AfterEach
    void close() {
        server.close();
    }

    @Test
    void anAcknowledgedCommitOutlivesACrash() throws SQLException {
        Sql.run(server, "INSERT INTO t VALUES (1)");

        server.crash();
        server.start();

        assertEquals("1", Sql.value(server, "SELECT count(*) FROM t"));
    }

    @Test
    void aCrashedServerIsGoneAtOnceAndSaysNoWord() throws SQLException {
        List<Connection> open = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            open.add(server.connect());
        }

        server.crash();

        for (Connection connection : open) {
            assertEquals("08006", assertThrows(SQLException.class, () -> Sql.run(connection, "SELECT 1")).getSQLState());
        }
        assertEquals("08001", assertThrows(SQLException.class, server::connect).getSQLState());
    }

    @Test
    void aTransactionIdThatWasNotFlushedIsHandedOutAgainAfterACrash() throws SQLException {
        String reset = Sql.value(server, STATS_RESET);
        String lost = openTransaction();

        server.crash();
        server.start();

        assertReused(lost);
        assertNotEquals(reset, Sql.value(server, STATS_RESET));
    }

    @Test
    void theDeathOfOneBackendDoesTheSameUnderTheSamePostmaster() throws SQLException {
        String reset = Sql.value(server, STATS_RESET);
        String started = Sql.value(server, "SELECT pg_postmaster_start_time()");
        try (Connection victim = server.connect()) {
            String lost = openTransaction();

            server.killBackend(Sql.number(victim, "SELECT pg_backend_pid()"));
            server.awaitReady();

            assertReused(lost);
            assertEquals("08006", assertThrows(SQLException.class, () -> Sql.run(victim, "SELECT 1")).getSQLState());
        }
        assertNotEquals(reset, Sql.value(server, STATS_RESET));
        assertEquals(started, Sql.value(server, "SELECT pg_postmaster_start_time()"));
    }

    @Test
    void anImmediateStopDoesTheSame() throws SQLException {
        String lost = openTransaction();

        server.stopImmediate();
        server.start();

        assertReused(lost);
    }

    @Test
    void aCleanStopHandsNoIdOutAgain() throws SQLException {
        String lost = openTransaction();

        server.restart();

        assertEquals("aborted", Sql.value(server, "SELECT pg_xact_status('" + lost + "'::xid8)"));
        assertTrue(Long.parseLong(Sql.value(server, "SELECT pg_current_xact_id()")) > Long.parseLong(lost));
    }

    @Test
    void aSuspendedBackendAnswersOnlyWhenItGoesOn() throws SQLException {
        try (Connection held = server.connect()) {
            int pid = Sql.number(held, "SELECT pg_backend_pid()");
            held.setNetworkTimeout(Runnable::run, 300);

            server.suspend(pid);
            assertThrows(SQLException.class, () -> Sql.run(held, "INSERT INTO t VALUES (1)"));
            assertEquals("0", Sql.value(server, "SELECT count(*) FROM t"));

            server.resume(pid);
            Await.until("the insert that had arrived", Duration.ofSeconds(10),
                    () -> Sql.value(server, "SELECT count(*) FROM t").equals("1"));
        }
    }

    @Test
    void onlyProcessesOfTheServerCanBeKilled() {
        int foreign = (int) ProcessHandle.current().pid();

        assertThrows(IllegalArgumentException.class, () -> server.killBackend(foreign));
        assertThrows(IllegalArgumentException.class, () -> server.suspend(foreign));
        assertThrows(IllegalArgumentException.class, () -> server.resume(foreign));
    }

    /** Leaves a transaction with an id and a row open; gives the id. */
    private String openTransaction() throws SQLException {
        Connection connection = Sql.begin(server, server.port());
        String id = Sql.value(connection, "SELECT pg_current_xact_id()");
        Sql.run(connection, "INSERT INTO t VALUES (1)");
        return id;
    }

    private void assertReused(String lost) throws SQLException {
        String status = "SELECT pg_xact_status('" + lost + "'::xid8)";
        assertEquals("22023", assertThrows(SQLException.class, () -> Sql.value(server, status)).getSQLState());
        assertEquals(lost, Sql.value(server, "SELECT pg_current_xact_id()"));
        assertEquals("committed", Sql.value(server, status));
        assertEquals("0", Sql.value(server, "SELECT count(*) FROM t"));
    }
}
