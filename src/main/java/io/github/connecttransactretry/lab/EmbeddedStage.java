package io.github.connecttransactretry.lab;

import eu.rekawek.toxiproxy.Proxy;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.lab.Scenario.StageKind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/** A stage of processes on this machine: embedded PostgreSQL, a Toxiproxy server that is given, and PgBouncer if it is wanted. */
public final class EmbeddedStage implements Stage {

    private static final Duration BOUND = Duration.ofSeconds(30);
    private static final String STANDBY = "s1";

    private final StageKind kind;
    private final Toxiproxy toxiproxy;
    private volatile PostgresServer primary;
    private volatile PostgresServer standby;
    private PgBouncer pooler;
    private Proxy proxy;

    private EmbeddedStage(StageKind kind, Toxiproxy toxiproxy) {
        this.kind = kind;
        this.toxiproxy = toxiproxy;
    }

    /**
     * Starts the servers of a stage.
     *
     * @param kind      which
     * @param toxiproxy on this machine; stays the caller's
     * @return the stage, ready
     * @throws SQLException if the standby cannot be set up
     * @throws IllegalStateException if a server does not start, or the stage needs PgBouncer and there is none (see
     *     {@link #obstacle})
     */
    public static EmbeddedStage open(StageKind kind, Toxiproxy toxiproxy) throws SQLException {
        EmbeddedStage stage = new EmbeddedStage(kind, toxiproxy);
        try {
            stage.launch();
            return stage;
        } catch (SQLException | RuntimeException failed) {
            stage.close();
            throw failed;
        }
    }

    /** What keeps a stage of that kind from being opened on this machine, with the mend; empty for nothing. */
    public static Optional<String> obstacle(StageKind kind) {
        return kind == StageKind.PGBOUNCER ? PgBouncer.obstacle() : Optional.empty();
    }

    private void launch() throws SQLException {
        primary = PostgresServer.builder()
                .setting("autovacuum", "off").setting("checkpoint_timeout", "1h").setting("max_connections", "200")
                .setting("deadlock_timeout", "100ms")
                // What nobody waits for stays unflushed, so that a crash has ids to hand out again.
                .setting("wal_writer_delay", "10s")
                // Only processes are killed, and the kernel keeps what they have written.
                .setting("fsync", "off")
                .launch();
        if (kind.hasStandby()) {
            standby = primary.startStandby(STANDBY);
        }
        if (kind == StageKind.SYNCHRONOUS_STANDBY) {
            primary.alterSetting("synchronous_standby_names", STANDBY);
            Await.until("the standby to be synchronous", BOUND, () -> ask(
                    "SELECT sync_state FROM pg_stat_replication WHERE application_name = '" + STANDBY + "'").equals("sync"));
        }
        if (kind == StageKind.PGBOUNCER) {
            pooler = PgBouncer.start("127.0.0.1", "127.0.0.1", primary.port(), Map.of(Accounts.ROLE, Accounts.PASSWORD));
        }
        proxy = toxiproxy.proxyTo(pooler == null ? primary.port() : pooler.port());
    }

    private String ask(String query) throws SQLException {
        try (Connection direct = direct(); Statement statement = direct.createStatement();
                ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }

    @Override
    public String description() {
        return "embedded PostgreSQL " + primary.version() + (kind.hasStandby() ? " with a standby" : "") + ", "
                + (pooler == null ? "" : pooler.description() + ", ") + toxiproxy.description();
    }

    @Override
    public Proxy proxy() {
        return proxy;
    }

    @Override
    public String jdbcUrl() {
        String url = primary.jdbcUrl(Toxiproxy.port(proxy));
        return pooler == null ? url : url + "&" + PgBouncer.URL_PARAMETERS;
    }

    @Override
    public String quietJdbcUrl() {
        return primary.jdbcUrl();
    }

    @Override
    public Connection direct() throws SQLException {
        return primary.connect();
    }

    @Override
    public void stop() {
        primary.stop();
    }

    @Override
    public void crash() {
        primary.crash();
    }

    @Override
    public void start() {
        primary.start();
    }

    @Override
    public void killBackend(int pid) {
        primary.killBackend(pid);
        primary.awaitReady();
    }

    @Override
    public void stopStandby() {
        standby.stop();
    }

    @Override
    public void failOver() throws SQLException, IOException {
        primary.crash();
        if (!standby.isRunning()) {
            standby.start();
        }
        standby.promote();
        primary.close();
        primary = standby;
        standby = null;
        primary.alterSetting("synchronous_standby_names", "");
        readdress();
    }

    @Override
    public void demote() throws SQLException {
        PostgresServer old = primary;
        old.stop();
        standby.promote();
        primary = standby;
        standby = old;
        old.startAsStandbyOf(primary, STANDBY);
    }

    @Override
    public void readdress() throws IOException {
        proxy.setUpstream("127.0.0.1:" + primary.port());
    }

    @Override
    public void stopPooler() {
        pooler.stop();
    }

    @Override
    public void startPooler() {
        pooler.start();
    }

    @Override
    public void close() {
        try {
            if (proxy != null) {
                proxy.delete();
            }
        } catch (IOException gone) {
            throw new UncheckedIOException("Toxiproxy has gone", gone);
        } finally {
            closeAll(pooler, standby, primary);
        }
    }

    private static void closeAll(AutoCloseable... parts) {
        for (AutoCloseable part : parts) {
            try {
                if (part != null) {
                    part.close();
                }
            } catch (Exception failed) {
                throw new IllegalStateException("could not close " + part, failed);
            }
        }
    }
}
