package io.github.connecttransactretry.drill;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;
import java.util.Properties;

/** A PostgreSQL that the drill has started itself and may crash. */
final class EmbeddedDrillServer implements DrillServer {

    private static final String ROLE = "drill_transfers";

    private final PostgresServer server;
    private final WireProxy proxy;

    private EmbeddedDrillServer(PostgresServer server, WireProxy proxy) {
        this.server = server;
        this.proxy = proxy;
    }

    static EmbeddedDrillServer launch() throws SQLException {
        PostgresServer server = PostgresServer.builder()
                .setting("fsync", "on")
                .setting("synchronous_commit", "on")
                .setting("max_connections", "200")
                .setting("deadlock_timeout", "100ms")
                // What nobody waits for stays unflushed, so that the crash has ids to hand out again.
                .setting("wal_writer_delay", "10s")
                .launch();
        try (Connection connection = server.connect(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE ROLE " + ROLE + " LOGIN");
            return new EmbeddedDrillServer(server, WireProxy.to(server.port()));
        } catch (SQLException | RuntimeException failed) {
            server.close();
            throw failed;
        }
    }

    @Override
    public String applicationName() {
        return "drill";
    }

    @Override
    public String schema() {
        return "drill";
    }

    @Override
    public String transferRole() {
        return ROLE;
    }

    @Override
    public String description() {
        return "PostgreSQL " + server.version() + " of its own on port " + server.port();
    }

    @Override
    public Optional<WireProxy> proxy() {
        return Optional.of(proxy);
    }

    @Override
    public Connection direct() throws SQLException {
        return server.connect();
    }

    @Override
    public Connection transfers() throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", ROLE);
        properties.setProperty("ApplicationName", applicationName());
        return DriverManager.getConnection(server.jdbcUrl(proxy.port()), properties);
    }

    @Override
    public boolean mayCrash() {
        return true;
    }

    @Override
    public void crash() {
        server.crash();
    }

    @Override
    public void restart() {
        server.start();
    }

    @Override
    public void close() {
        proxy.close();
        server.close();
    }
}
