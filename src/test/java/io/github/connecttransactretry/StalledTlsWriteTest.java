package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.postgres.AbortableSocketFactory;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Base64;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A peer that has stopped reading, under TLS: closing the socket alone does not free the write. */
class StalledTlsWriteTest {

    private static final Duration DEADLINE = Duration.ofSeconds(2);
    private static final int MORE_THAN_BUFFERS_HOLD = 32 << 20;
    private static final String PASSWORD = "of a file that lives for seconds";

    private static PostgresServer server;

    @BeforeAll
    static void launch(@TempDir Path scratch) throws Exception {
        server = PostgresServer.launch();
        KeyStore.PrivateKeyEntry entry = selfSigned(scratch.resolve("server.p12"));
        write("server.key", "PRIVATE KEY", entry.getPrivateKey().getEncoded());
        write("server.crt", "CERTIFICATE", entry.getCertificate().getEncoded());
        server.alterSetting("ssl", "on");
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"TLSv1.3", "TLSv1.2"})
    void isFreedAtTheDeadline(String protocol) throws Exception {
        server.alterSetting("ssl_max_protocol_version", protocol);
        Leaks leaks = Leaks.watch(server);
        try (StallingRelay relay = new StallingRelay(server.port())) {
            ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(url(relay.port()))).build();
            Caller<Boolean> caller = Caller.start(() -> engine.run(TransactionOptions.defaults().withTimeout(DEADLINE), tx -> {
                assertEquals(protocol, protocolOf(tx.connection()));
                relay.stall();
                return send(tx.connection());
            }));
            assertInstanceOf(DeadlineExceededException.class, caller.ending().thrown());
            Duration over = caller.ending().took().minus(DEADLINE);
            assertTrue(over.compareTo(Duration.ofSeconds(1)) < 0, () -> "over by " + over);
            assertTrue(relay.upstream() < MORE_THAN_BUFFERS_HOLD, "the write was to be stuck");
            leaks.assertNoneBusy();
            engine.close();
        }
    }

    /** The socket option of the same name would reset connections at their normal end, or make closing wait. */
    @Test
    void theOptionItselfStaysOff() throws IOException {
        try (Socket socket = new AbortableSocketFactory().createSocket()) {
            assertEquals(0, socket.getSoLinger());
            assertEquals(-1, socket.getOption(StandardSocketOptions.SO_LINGER));
        }
    }

    /** pgjdbc asks for unconnected ones; a SocketFactory makes others too. */
    @Test
    void connectsByEveryRoadOfItsKind() throws IOException {
        AbortableSocketFactory factory = new AbortableSocketFactory();
        InetAddress here = InetAddress.getLoopbackAddress();
        int free;
        try (ServerSocket peer = new ServerSocket(0, 50, here);
                Socket byName = factory.createSocket(here.getHostAddress(), peer.getLocalPort());
                Socket byAddress = factory.createSocket(here, peer.getLocalPort());
                Socket bound = factory.createSocket(here, peer.getLocalPort(), here, 0);
                Socket boundByName = factory.createSocket(here.getHostAddress(), peer.getLocalPort(), here, 0)) {
            free = peer.getLocalPort();
            for (Socket socket : new Socket[] {byName, byAddress, bound, boundByName}) {
                assertTrue(socket.isConnected());
                assertEquals(0, socket.getSoLinger());
            }
        }
        assertThrows(ConnectException.class, () -> factory.createSocket(here, free).close());
    }

    private static String url(int port) {
        return server.jdbcUrl(port).replace("sslmode=disable", "sslmode=require")
                + "&socketFactory=" + AbortableSocketFactory.class.getName();
    }

    private static String protocolOf(Connection connection) throws SQLException {
        try (ResultSet row = connection.createStatement()
                .executeQuery("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")) {
            row.next();
            return row.getString(1);
        }
    }

    private static boolean send(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT length(?)")) {
            statement.setBytes(1, new byte[MORE_THAN_BUFFERS_HOLD]);
            return statement.execute();
        }
    }

    /** By the JDK's own tool: the JDK has no public class that signs certificates. */
    private static KeyStore.PrivateKeyEntry selfSigned(Path file) throws IOException, InterruptedException, GeneralSecurityException {
        Path keytool = Path.of(System.getProperty("java.home"), "bin", "keytool");
        Process process = new ProcessBuilder(keytool.toString(), "-genkeypair", "-alias", "server", "-keyalg", "EC",
                "-groupname", "secp256r1", "-dname", "CN=localhost", "-storetype", "PKCS12", "-keystore", file.toString(), "-storepass", PASSWORD)
                .redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(file)) {
            store.load(in, PASSWORD.toCharArray());
        }
        return (KeyStore.PrivateKeyEntry) store.getEntry("server", new KeyStore.PasswordProtection(PASSWORD.toCharArray()));
    }

    /** Where the server looks if nothing else is said, and owned by whom the server runs as: else it refuses the key. */
    private static void write(String name, String kind, byte[] der) throws IOException {
        Path file = server.dataDirectory().resolve(name);
        Files.writeString(file, "-----BEGIN " + kind + "-----\n" + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
                + "\n-----END " + kind + "-----\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        Files.setOwner(file, Files.getOwner(server.dataDirectory()));
    }
}
