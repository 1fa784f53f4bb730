package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.dockerjava.api.DockerClient;
import eu.rekawek.toxiproxy.model.ToxicDirection;
import io.github.connecttransactretry.lab.Scenario.StageKind;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.testcontainers.DockerClientFactory;

/** Each kind of stage in containers, through its life: clients and {@code direct()} see the right server after each step. */
@Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ContainerStageTest {

    private static final String WHO = "SELECT (SELECT system_identifier FROM pg_control_system())"
            + " || ' ' || pg_postmaster_start_time()";
    private static final String STARTED = "SELECT pg_postmaster_start_time()";
    private static final String STANDBY = "SELECT pg_is_in_recovery()";

    @BeforeAll
    static void needsDocker() {
        ContainerStage.obstacle().ifPresent(mend -> Assumptions.abort(mend));
    }

    @Test
    void aSingleServer() throws Exception {
        try (Stage stage = open(StageKind.SINGLE)) {
            assertEquals("10s", ask(stage.direct(), "SHOW wal_writer_delay"));
            assertEquals(ask(stage.direct(), WHO), ask(client(stage), WHO));
            assertEquals(ask(stage.direct(), WHO), ask(connect(stage.quietJdbcUrl()), WHO));

            String first = ask(stage.direct(), STARTED);
            endsClients(stage, stage::crash, "08");
            assertThrows(SQLException.class, () -> client(stage).close(), "nobody is there");
            stage.start();
            String second = ask(client(stage), STARTED);
            assertNotEquals(first, second);

            endsClients(stage, stage::stop, "57P01");
            assertThrows(SQLException.class, () -> stage.direct().close(), "nobody is there");
            stage.start();
            assertNotEquals(second, ask(client(stage), STARTED));
            assertEquals("1", ask(client(stage), "SELECT count(*) FROM told"), "what was there before a crash and a stop");
        }
    }

    @Test
    void aKilledBackendTakesTheOthersAlongButNotTheServer() throws Exception {
        try (Stage stage = open(StageKind.SINGLE); Connection victim = client(stage)) {
            String started = ask(stage.direct(), STARTED);
            int pid = Integer.parseInt(told(victim, "SELECT pg_backend_pid()"));
            endsClients(stage, () -> stage.killBackend(pid), "08");
            assertThrows(SQLException.class, () -> told(victim, "SELECT 1"));
            assertEquals("1", ask(client(stage), "SELECT 1"));
            assertEquals(started, ask(stage.direct(), STARTED), "the postmaster lives on");
            assertThrows(IllegalArgumentException.class, () -> stage.killBackend(1), "the postmaster is no backend");
        }
    }

    @Test
    void onlyTheClientsMeetFaults() throws Exception {
        try (Stage stage = open(StageKind.SINGLE)) {
            stage.proxy().toxics().limitData("cut", ToxicDirection.DOWNSTREAM, 0);
            assertThrows(SQLException.class, () -> client(stage).close());
            assertEquals("1", ask(stage.direct(), "SELECT 1"));
            assertEquals("1", ask(connect(stage.quietJdbcUrl()), "SELECT 1"));
        }
    }

    @Test
    void aSynchronousStandbyTakesOver() throws Exception {
        try (Stage stage = open(StageKind.SYNCHRONOUS_STANDBY)) {
            assertEquals("sync s1", ask(stage.direct(), "SELECT sync_state || ' ' || application_name FROM pg_stat_replication"));
            String old = ask(stage.direct(), WHO);
            assertFalse(waitsForTheStandby(stage), "a COMMIT with the standby");
            stage.stopStandby();
            assertEquals("0", ask(stage.direct(), "SELECT count(*) FROM pg_stat_replication"));
            assertTrue(waitsForTheStandby(stage), "a COMMIT without the standby");

            endsClients(stage, () -> unchecked(stage::failOver), "08");

            assertEquals(ask(stage.direct(), WHO), ask(client(stage), WHO));
            assertNotEquals(old, ask(client(stage), WHO));
            assertEquals(old.split(" ")[0], ask(client(stage), WHO).split(" ")[0], "a copy of the same server");
            assertEquals("f", ask(client(stage), STANDBY));
            assertEquals("2", ask(client(stage), "SELECT count(*) FROM told"), "what was acknowledged, and not what waited");
            assertFalse(waitsForTheStandby(stage), "a COMMIT of the new primary");
        }
    }

    @Test
    void anOldPrimaryComesBackAsTheStandbyAtItsAddress() throws Exception {
        try (Stage stage = open(StageKind.ASYNCHRONOUS_STANDBY)) {
            assertEquals("async", ask(stage.direct(), "SELECT sync_state FROM pg_stat_replication"));
            String old = ask(stage.direct(), WHO);

            endsClients(stage, () -> unchecked(stage::demote), "57P01");

            assertEquals("t", ask(client(stage), STANDBY), "the clients' address still leads to the old one");
            assertEquals("f", ask(stage.direct(), STANDBY));
            assertNotEquals(old, ask(stage.direct(), WHO));
            assertEquals("1", ask(stage.direct(), "SELECT count(*) FROM pg_stat_replication"));
            stage.readdress();
            assertEquals("f", ask(client(stage), STANDBY));
            assertEquals(ask(stage.direct(), WHO), ask(client(stage), WHO));
            assertEquals(ask(stage.direct(), WHO), ask(connect(stage.quietJdbcUrl()), WHO));
            stage.failOver();
            assertEquals("f", ask(client(stage), STANDBY), "and all the way back");
            assertEquals(old.split(" ")[0], ask(client(stage), WHO).split(" ")[0]);
            assertEquals("1", ask(client(stage), "SELECT count(*) FROM told"));
        }
    }

    @Test
    void aPoolerBetween() throws Exception {
        try (Stage stage = open(StageKind.PGBOUNCER); Connection one = client(stage); Connection other = client(stage)) {
            assertEquals(told(one, "SELECT pg_backend_pid()"), told(other, "SELECT pg_backend_pid()"), "they share a backend");
            assertTrue(stage.description().contains("PgBouncer 1."), stage.description());
            endsClients(stage, stage::stopPooler, "08");
            assertThrows(SQLException.class, () -> client(stage).close(), "nobody is there");
            assertEquals("1", ask(stage.direct(), "SELECT 1"));
            stage.startPooler();
            assertEquals("1", ask(client(stage), "SELECT 1"));
            stage.crash();
            stage.start();
            assertEquals("1", ask(client(stage), "SELECT 1"));
        }
    }

    @Test
    void nothingIsLeftBehind() throws Exception {
        try (Stage stage = open(StageKind.ASYNCHRONOUS_STANDBY)) {
            stage.crash();
            assertEquals("3 containers, 2 volumes, 1 networks", leftOvers());
        }
        assertEquals("0 containers, 0 volumes, 0 networks", leftOvers());
    }

    /** What this JVM has in Docker, but for the container that tidies up after a JVM that was killed. */
    private static String leftOvers() {
        DockerClient docker = DockerClientFactory.lazyClient();
        Map<String, String> ours = Map.of(DockerClientFactory.TESTCONTAINERS_SESSION_ID_LABEL, DockerClientFactory.SESSION_ID);
        List<String> filter = ours.entrySet().stream().map(label -> label.getKey() + "=" + label.getValue()).toList();
        long containers = docker.listContainersCmd().withShowAll(true).withLabelFilter(ours).exec().stream()
                .filter(container -> !container.getImage().contains("ryuk")).count();
        return containers + " containers, " + docker.listVolumesCmd().withFilter("label", filter).exec().getVolumes().size()
                + " volumes, " + docker.listNetworksCmd().withFilter("label", filter).exec().size() + " networks";
    }

    /** Opens a stage with the clients' role and a table that it may write. */
    private static Stage open(StageKind kind) throws Exception {
        Stage stage = ContainerStage.open(kind);
        try (Connection direct = stage.direct(); Statement sql = direct.createStatement()) {
            sql.execute("CREATE ROLE " + Accounts.ROLE + " LOGIN PASSWORD '" + Accounts.PASSWORD + "'");
            sql.execute("CREATE TABLE told AS SELECT 1 AS it");
            sql.execute("GRANT ALL ON told TO " + Accounts.ROLE);
            return stage;
        } catch (SQLException | RuntimeException failed) {
            stage.close();
            throw failed;
        }
    }

    /** Does something that must end a client's session in this way. */
    private static void endsClients(Stage stage, Runnable fault, String state) throws SQLException {
        try (Connection client = client(stage)) {
            assertEquals("1", told(client, "SELECT 1"));
            fault.run();
            String seen = assertThrows(SQLException.class, () -> told(client, "SELECT 1")).getSQLState();
            assertTrue(seen.startsWith(state), seen + " instead of " + state);
        }
    }

    /** Whether a COMMIT stays without an answer for a while. */
    private static boolean waitsForTheStandby(Stage stage) throws SQLException {
        try (Connection client = client(stage); Statement sql = client.createStatement()) {
            client.setNetworkTimeout(Runnable::run, 2_000);
            sql.execute("INSERT INTO told VALUES (2)");
            return false;
        } catch (SQLException late) {
            assertTrue(late.getSQLState().startsWith("08"), late.toString());
            return true;
        }
    }

    private static Connection client(Stage stage) throws SQLException {
        return connect(stage.jdbcUrl());
    }

    private static Connection connect(String url) throws SQLException {
        return DriverManager.getConnection(url + "&loginTimeout=10", Accounts.ROLE, Accounts.PASSWORD);
    }

    private static String ask(Connection connection, String query) throws SQLException {
        try (connection) {
            return told(connection, query);
        }
    }

    private static String told(Connection connection, String query) throws SQLException {
        try (Statement sql = connection.createStatement(); ResultSet row = sql.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }

    private interface Step {
        void take() throws Exception;
    }

    private static void unchecked(Step step) {
        try {
            step.take();
        } catch (Exception failed) {
            throw new IllegalStateException(failed);
        }
    }
}
