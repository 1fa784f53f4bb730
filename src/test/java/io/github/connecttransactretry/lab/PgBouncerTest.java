package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** PgBouncer pools transactions, passes passwords on, keeps its port, and is gone when it should be. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PgBouncerTest {

    private static final Duration BOUND = Duration.ofSeconds(20);
    private static final String USER = "pooled";
    private static final String PASSWORD = "s3\"cret";

    private static PostgresServer server;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        server.requirePassword(USER, PASSWORD);
    }

    @AfterAll
    static void end() {
        server.close();
    }

    @Test
    void transactionsOfTwoClientsShareABackend() throws Exception {
        try (PgBouncer pooler = start(); Connection one = connect(pooler, PASSWORD);
                Connection other = connect(pooler, PASSWORD)) {
            one.setAutoCommit(false);
            other.setAutoCommit(false);
            int backend = number(one, "SELECT pg_backend_pid()");
            one.commit();
            assertEquals(backend, number(other, "SELECT pg_backend_pid()"), "free after the COMMIT of the first");
            assertFalse(backend == number(one, "SELECT pg_backend_pid()"), "taken while the second is in a transaction");
        }
    }

    @Test
    void anotherPasswordIsRefused() {
        try (PgBouncer pooler = start()) {
            assertThrows(SQLException.class, () -> connect(pooler, "guessed"));
        }
    }

    @Test
    void stopDisconnectsAndStartIsAtTheSamePort() throws Exception {
        try (PgBouncer pooler = start(); Connection before = connect(pooler, PASSWORD)) {
            assertEquals(1, number(before, "SELECT 1"));
            int port = pooler.port();
            pooler.stop();
            SQLException lost = assertThrows(SQLException.class, () -> number(before, "SELECT 1"));
            assertTrue(lost.getSQLState().startsWith("08"), lost.toString());
            assertEquals("08001", assertThrows(SQLException.class, () -> connect(pooler, PASSWORD)).getSQLState());
            assertThrows(IllegalStateException.class, pooler::stop);

            pooler.start();

            assertEquals(port, pooler.port());
            try (Connection after = connect(pooler, PASSWORD)) {
                assertEquals(1, number(after, "SELECT 1"));
            }
            assertThrows(IllegalStateException.class, pooler::start);
        }
    }

    @Test
    void clientsComeBackSoonAfterTheServer() throws Exception {
        try (PgBouncer pooler = start(); Connection client = connect(pooler, PASSWORD)) {
            server.stop();
            client.setNetworkTimeout(Runnable::run, 1_000);
            assertThrows(SQLException.class, () -> number(client, "SELECT 1"), "the pooler had to try the server in vain");
            server.start();
            Await.until("a client to come through", Duration.ofSeconds(10), () -> {
                try (Connection again = connect(pooler, PASSWORD)) {
                    return number(again, "SELECT 1") == 1;
                }
            });
        }
    }

    @Test
    void closeLeavesNothing() throws Exception {
        PgBouncer pooler = start();
        pooler.close();
        assertThrows(SQLException.class, () -> connect(pooler, PASSWORD));
        assertEquals(0, homes(pooler.port()));
        pooler.close();
        assertThrows(IllegalStateException.class, pooler::start);
    }

    @Test
    void killingTheJvmEndsItToo() throws Exception {
        Process jvm = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), OtherJvm.class.getName(), Integer.toString(server.port()))
                .redirectError(ProcessBuilder.Redirect.DISCARD).start();
        try (BufferedReader out = jvm.inputReader()) {
            int port = Integer.parseInt(out.readLine());
            assertEquals(1, homes(port));
            connect(port, PASSWORD).close();

            jvm.destroyForcibly().waitFor();

            Await.until("the end of PgBouncer", BOUND, () -> {
                try (Connection stillThere = connect(port, PASSWORD)) {
                    return stillThere.isClosed();
                } catch (SQLException gone) {
                    return "08001".equals(gone.getSQLState());
                }
            });
            Await.until("the end of its files", BOUND, () -> homes(port) == 0);
        }
    }

    @Test
    void theProgramIsFoundByItsNameOrNamed(@TempDir Path folder) throws Exception {
        Path program = Files.createFile(folder.resolve("pgbouncer"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
        assertEquals(Optional.of(program), PgBouncer.find(null, "/nowhere:" + folder));
        assertEquals(Optional.of(program), PgBouncer.find(program.toString(), null));
        String error = assertThrows(IllegalStateException.class, () -> PgBouncer.find(folder + "/other", null)).getMessage();
        assertTrue(error.contains("PGBOUNCER=" + folder + "/other"), error);
        assertThrows(IllegalStateException.class, () -> PgBouncer.find(folder.toString(), null));
    }

    @Test
    void anotherProgramIsToldApart(@TempDir Path folder) throws Exception {
        Path program = Files.writeString(folder.resolve("pgbouncer"), "#!/bin/sh\necho no pooler 1.18.0\n");
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
        String error = assertThrows(IllegalStateException.class, () -> PgBouncer.version(program)).getMessage();
        assertTrue(error.contains("no pooler 1.18.0") && error.contains(program.toString()), error);
    }

    /** A program that starts a pooler and waits for its own end. */
    static final class OtherJvm {

        public static void main(String[] serverPort) throws Exception {
            PgBouncer pooler = PgBouncer.start("127.0.0.1", "127.0.0.1", Integer.parseInt(serverPort[0]), Map.of(USER, PASSWORD));
            System.out.println(pooler.port());
            while (System.in.read() >= 0) {
                continue;
            }
        }
    }

    @BeforeEach
    void needsThePooler() {
        PgBouncer.obstacle().ifPresent(mend -> Assumptions.abort(mend));
    }

    private static PgBouncer start() {
        return PgBouncer.start("127.0.0.1", "127.0.0.1", server.port(), Map.of(USER, PASSWORD));
    }

    private static Connection connect(PgBouncer pooler, String password) throws SQLException {
        return connect(pooler.port(), password);
    }

    private static Connection connect(int port, String password) throws SQLException {
        return DriverManager.getConnection(server.jdbcUrl(port) + "&" + PgBouncer.URL_PARAMETERS, USER, password);
    }

    private static int number(Connection connection, String query) throws SQLException {
        try (Statement sql = connection.createStatement(); ResultSet row = sql.executeQuery(query)) {
            row.next();
            return row.getInt(1);
        }
    }

    /** The directories of poolers at this port. */
    private static long homes(int port) throws Exception {
        String line = "listen_port = " + port;
        try (var folders = Files.newDirectoryStream(Path.of(System.getProperty("java.io.tmpdir")), "ctr-pgbouncer-*")) {
            long count = 0;
            for (Path folder : folders) {
                Path file = folder.resolve("pgbouncer.ini");
                count += Files.exists(file) && Files.readString(file).contains(line) ? 1 : 0;
            }
            return count;
        }
    }
}
