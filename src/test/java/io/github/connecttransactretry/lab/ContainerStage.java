package io.github.connecttransactretry.lab;

import eu.rekawek.toxiproxy.Proxy;
import eu.rekawek.toxiproxy.ToxiproxyClient;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.lab.Scenario.StageKind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.Network;
import org.testcontainers.lifecycle.Startables;
import org.testcontainers.toxiproxy.ToxiproxyContainer;

/**
 * A stage of containers on one network: PostgreSQL servers and a Toxiproxy, which is the host's only way to any of them. Its
 * container is never started again, nor is a server's: only its processes are. PgBouncer is a process of the host,
 * in front of a proxy without faults.
 */
final class ContainerStage implements Stage {

    static final String POSTGRES_IMAGE = "postgres:17";
    static final String TOXIPROXY_IMAGE = "ghcr.io/shopify/toxiproxy:2.12.0";

    private static final String STANDBY = "s1";
    private static final String HOST = "host.docker.internal";
    private static final int CONTROL_PORT = 8474;
    private static final int CLIENTS_PORT = 8666;
    private static final int FIRST_NODE_PORT = 8667;
    private static final int SECOND_NODE_PORT = 8668;

    private final StageKind kind;
    private final Network network = Network.newNetwork();
    private final ToxiproxyContainer toxiproxy;
    private final List<ContainerNode> nodes;
    private volatile ContainerNode primary;
    private ContainerNode standby;
    private PgBouncer pooler;
    private Proxy proxy;
    private String version;

    private ContainerStage(StageKind kind) {
        this.kind = kind;
        this.toxiproxy = new ToxiproxyContainer(TOXIPROXY_IMAGE).withNetwork(network).withExtraHost(HOST, "host-gateway");
        toxiproxy.setExposedPorts(List.of(CONTROL_PORT, CLIENTS_PORT, FIRST_NODE_PORT, SECOND_NODE_PORT));
        this.primary = ContainerNode.primary(POSTGRES_IMAGE, network, "first", "second", STANDBY);
        this.standby = kind.hasStandby() ? ContainerNode.standby(POSTGRES_IMAGE, network, "second", "first", STANDBY) : null;
        this.nodes = standby == null ? List.of(primary) : List.of(primary, standby);
    }

    /** Why no stage can be set up here, and the mend; empty if one can. */
    static Optional<String> obstacle() {
        return DockerClientFactory.instance().isDockerAvailable() ? Optional.empty()
                : Optional.of("there is no Docker to be reached: start its daemon, or name it in DOCKER_HOST");
    }

    /** Starts the containers of a stage. */
    static ContainerStage open(StageKind kind) throws SQLException {
        ContainerStage stage = new ContainerStage(kind);
        try {
            stage.launch();
            return stage;
        } catch (SQLException | RuntimeException failed) {
            stage.close();
            throw failed;
        } catch (IOException refused) {
            stage.close();
            throw new UncheckedIOException("Toxiproxy makes no proxy", refused);
        }
    }

    static String url(String host, int port) {
        // Where both loopback addresses are tried, the other one's refusal would only blur what happened.
        String address = host.equals("localhost") ? "127.0.0.1" : host;
        return "jdbc:postgresql://" + address + ":" + port + "/postgres?sslmode=disable&gssEncMode=disable";
    }

    private void launch() throws SQLException, IOException {
        nodes.forEach(ContainerNode::createVolume);
        if (kind.hasStandby()) {
            primary.mountsDataOf(standby);
        }
        CompletableFuture<Void> standbyStarts = kind.hasStandby() ? Startables.deepStart(standby.container()) : null;
        Startables.deepStart(toxiproxy, primary.container()).join();
        ToxiproxyClient control = new ToxiproxyClient(toxiproxy.getHost(), toxiproxy.getControlPort());
        for (ContainerNode node : nodes) {
            int port = node == primary ? FIRST_NODE_PORT : SECOND_NODE_PORT;
            control.createProxy(node.alias(), "0.0.0.0:" + port, address(node));
            node.reachedBy(toxiproxy.getHost(), toxiproxy.getMappedPort(port));
        }
        version = primary.ask("SHOW server_version");
        if (kind.hasStandby()) {
            primary.copyData();
            standbyStarts.join();
            primary.awaitStreaming(STANDBY);
        }
        if (kind == StageKind.SYNCHRONOUS_STANDBY) {
            waitFor(STANDBY);
            Await.until("the standby to be synchronous", ContainerNode.BOUND, () -> primary.ask(
                    "SELECT sync_state FROM pg_stat_replication WHERE application_name = '" + STANDBY + "'").equals("sync"));
        }
        if (kind == StageKind.PGBOUNCER) {
            pooler = PgBouncer.start("0.0.0.0", toxiproxy.getHost().replace("localhost", "127.0.0.1"),
                    toxiproxy.getMappedPort(FIRST_NODE_PORT), Map.of(Accounts.ROLE, Accounts.PASSWORD));
        }
        proxy = control.createProxy("postgresql", "0.0.0.0:" + CLIENTS_PORT,
                pooler == null ? address(primary) : HOST + ":" + pooler.port());
    }

    private void waitFor(String names) throws SQLException {
        primary.alter("ALTER SYSTEM SET synchronous_standby_names = '" + names + "'");
        primary.alter("SELECT pg_reload_conf()");
    }

    private static String address(ContainerNode node) {
        return node.alias() + ":" + ContainerNode.PORT;
    }

    @Override
    public String description() {
        return "containers of " + POSTGRES_IMAGE + " (PostgreSQL " + version + (kind.hasStandby() ? ", with a standby" : "")
                + "), " + (pooler == null ? "" : pooler.description() + ", ") + TOXIPROXY_IMAGE;
    }

    @Override
    public Proxy proxy() {
        return proxy;
    }

    @Override
    public String jdbcUrl() {
        String url = url(toxiproxy.getHost(), toxiproxy.getMappedPort(CLIENTS_PORT));
        return pooler == null ? url : url + "&" + PgBouncer.URL_PARAMETERS;
    }

    @Override
    public String quietJdbcUrl() {
        return primary.url();
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
        try {
            primary.killBackend(pid);
        } catch (SQLException unreachable) {
            throw new IllegalStateException("the primary does not answer", unreachable);
        }
    }

    @Override
    public void stopStandby() {
        standby.stop();
    }

    @Override
    public void failOver() throws SQLException, IOException {
        primary.crash();
        if (!standby.runs()) {
            standby.start();
        }
        standby.promote();
        primary = standby;
        standby = null;
        waitFor("");
        readdress();
    }

    @Override
    public void demote() throws SQLException {
        ContainerNode old = primary;
        old.standbyFromNextStart();
        old.stop();
        standby.promote();
        primary = standby;
        standby = old;
        old.start();
        primary.awaitStreaming(STANDBY);
    }

    @Override
    public void readdress() throws IOException {
        proxy.setUpstream(address(primary));
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
        if (pooler != null) {
            pooler.close();
        }
        Stream<Runnable> ends = Stream.concat(Stream.of(toxiproxy::stop), nodes.stream().map(node -> node.container()::stop));
        CompletableFuture.allOf(ends.map(CompletableFuture::runAsync).toArray(CompletableFuture[]::new)).join();
        nodes.forEach(ContainerNode::removeVolume);
        network.close();
    }
}
