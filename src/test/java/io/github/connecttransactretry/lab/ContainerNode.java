package io.github.connecttransactretry.lab;

import com.github.dockerjava.api.DockerClient;
import com.github.dockerjava.api.model.Mount;
import com.github.dockerjava.api.model.MountType;
import io.github.connecttransactretry.chaos.Await;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.stream.Stream;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.Network;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.postgresql.PostgreSQLContainer;

/**
 * A PostgreSQL server in a container, whose processes can be killed and started again over its data: a volume. The host reaches
 * it through a proxy only. Not thread-safe but for {@link #connect}.
 */
final class ContainerNode {

    static final Duration BOUND = Duration.ofSeconds(60);
    static final int PORT = 5432;

    private static final String DATA = "/var/lib/postgresql/data";
    private static final String COPY = "/copy";
    /** The postmaster is kept from being started while this file is there. */
    private static final String DOWN = "/tmp/down";
    /** Lies in the data once they are complete. */
    private static final String COMPLETE = DATA + "/lab.complete";
    // The container outlives its server. A name that is gone from the network, or an address, would let Toxiproxy wait for 10 s
    // at each attempt to connect, and all other clients behind it; a port that nobody listens at refuses at once.
    private static final String KEEP = "while :; do until [ ! -f " + DOWN + " ]; do sleep 0.05; done;"
            + " docker-entrypoint.sh \"$@\" & wait $!; done";
    // A container takes a second to come up; this one does so while its data are still being made.
    private static final String FOLLOW = "until [ -f " + COMPLETE + " ]; do sleep 0.05; done; " + KEEP;
    private static final String POSTMASTER = "touch " + DOWN + "; pid=$(head -n 1 " + DATA + "/postmaster.pid) && ";
    private static final String UNTIL_GONE = "; while kill -0 $pid 2>/dev/null; do sleep 0.01; done";

    private static final List<String> SETTINGS = List.of("autovacuum=off", "checkpoint_timeout=1h", "max_connections=200",
            "deadlock_timeout=100ms", "timezone=Asia/Kathmandu", "wal_keep_size=256MB",
            // What nobody waits for stays unflushed, so that a crash has ids to hand out again.
            "wal_writer_delay=10s",
            // Only processes are killed, and the kernel keeps what they have written.
            "fsync=off");

    private final String alias;
    private final String volume;
    private final PostgreSQLContainer container;
    private String url;
    private boolean running = true;

    private ContainerNode(String image, Network network, String alias, String peer, String name, String script) {
        this.alias = alias;
        this.volume = "ctr-lab-" + alias + "-" + UUID.randomUUID();
        // On the command line, unlike the settings in the file, it cannot be changed: it need not be.
        String followed = "primary_conninfo=host=" + peer + " user=" + Stage.SUPERUSER + " password=" + Stage.SUPERUSER_PASSWORD
                + " application_name=" + name;
        Stream<String> options = Stream.concat(SETTINGS.stream(), Stream.of(followed))
                .flatMap(setting -> Stream.of("-c", setting));
        String[] command = Stream.of(Stream.of("sh", "-c", script, "sh", "postgres"), options).flatMap(words -> words)
                .toArray(String[]::new);
        this.container = new PostgreSQLContainer(image).withNetwork(network).withNetworkAliases(alias)
                .withUsername(Stage.SUPERUSER).withPassword(Stage.SUPERUSER_PASSWORD).withDatabaseName("postgres")
                .withEnv("PGDATA", DATA).withEnv("POSTGRES_INITDB_ARGS", "--no-sync").withCommand(command);
        mount(volume, DATA);
    }

    /**
     * Describes a server that does not run yet.
     *
     * @param image   of PostgreSQL 15 or newer
     * @param network where it is known by its alias
     * @param alias   its name there
     * @param peer    the alias of the server that it will follow if it is ever made a standby
     * @param name    as what it follows
     */
    static ContainerNode primary(String image, Network network, String alias, String peer, String name) {
        return new ContainerNode(image, network, alias, peer, name, KEEP);
    }

    /** The same for a server whose data {@link #copyData} brings; its container may be started before. */
    static ContainerNode standby(String image, Network network, String alias, String peer, String name) {
        ContainerNode node = new ContainerNode(image, network, alias, peer, name, FOLLOW);
        node.container.waitingFor(Wait.forLogMessage(".*ready to accept read.only connections.*", 1).withStartupTimeout(BOUND));
        return node;
    }

    /** Where the host reaches this server from now on. */
    void reachedBy(String host, int port) {
        url = ContainerStage.url(host, port);
    }

    /** Without a user. */
    String url() {
        return url;
    }

    String alias() {
        return alias;
    }

    /** For the first start, by Testcontainers. */
    PostgreSQLContainer container() {
        return container;
    }

    /** Lets this server, which has not been started yet, write another one's first data. */
    void mountsDataOf(ContainerNode standby) {
        mount(standby.volume, COPY);
    }

    private void mount(String source, String target) {
        container.withCreateContainerCmdModifier(create -> {
            List<Mount> before = create.getHostConfig().getMounts();
            Mount mount = new Mount().withType(MountType.VOLUME).withSource(source).withTarget(target);
            create.getHostConfig().withMounts(
                    Stream.concat(before == null ? Stream.of() : before.stream(), Stream.of(mount)).toList());
        });
    }

    /** Fills the data of the server that mounts them here with a base backup of this one; it then goes on by itself. */
    void copyData() throws SQLException {
        try (Connection session = connect(); Statement sql = session.createStatement()) {
            // What the image itself lets in is not replication.
            run("echo 'host replication all all scram-sha-256' >> " + DATA + "/pg_hba.conf");
            sql.execute("SELECT pg_reload_conf()");
            sql.execute("SELECT pg_backup_start('standby', true)");
            run("cp -a " + DATA + "/. " + COPY + " && cd " + COPY
                    + " && rm -rf postmaster.pid postmaster.opts pg_wal/* pg_replslot/* && touch standby.signal");
            // The entrypoint of the image hands all files to its user.
            run("printf %s \"$1\" > " + COPY + "/backup_label && touch " + COPY + COMPLETE.substring(DATA.length()),
                    text(sql, "SELECT labelfile FROM pg_backup_stop(false)"));
        }
    }

    void awaitStreaming(String name) {
        Await.until(name + " to stream from " + alias, BOUND, () -> !ask(
                "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
                + " AND application_name = '" + name + "'").equals("0"));
    }

    /** What the running server has to be made a standby at its next start. */
    void standbyFromNextStart() {
        run("touch " + DATA + "/standby.signal");
    }

    void promote() throws SQLException {
        // Not to wait inside the query: its snapshot may keep the rest of the WAL from being replayed.
        ask("SELECT pg_promote(false)");
        Await.until(alias + " to leave recovery", BOUND, () -> ask("SELECT pg_is_in_recovery()").equals("f"));
    }

    /** As superuser. */
    Connection connect() throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", Stage.SUPERUSER);
        properties.setProperty("password", Stage.SUPERUSER_PASSWORD);
        properties.setProperty("loginTimeout", "10");
        return DriverManager.getConnection(url, properties);
    }

    /** Runs a statement that changes something. */
    void alter(String statement) throws SQLException {
        try (Connection session = connect(); Statement sql = session.createStatement()) {
            sql.execute(statement);
        }
    }

    /** The first column of the first row. */
    String ask(String query) throws SQLException {
        try (Connection session = connect(); Statement sql = session.createStatement()) {
            return text(sql, query);
        }
    }

    /** Ends it cleanly. */
    void stop() {
        end("kill -INT $pid");
    }

    /** Kills all of its processes at once. */
    void crash() {
        // All but the container's first process and this one, and the postmaster held still before: a backend that saw it end
        // would still tell its client (57P01).
        end("kill -STOP $pid && kill -KILL -1");
    }

    private void end(String how) {
        if (!running) {
            throw new IllegalStateException(alias + " does not run");
        }
        running = false;
        run(POSTMASTER + how + UNTIL_GONE);
    }

    void start() {
        if (running) {
            throw new IllegalStateException(alias + " runs already");
        }
        running = true;
        run("rm " + DOWN);
        try {
            Await.until(alias + " to answer", BOUND, () -> ask("SELECT 1").equals("1"));
        } catch (IllegalStateException late) {
            throw new IllegalStateException(late.getMessage() + "; its log:\n" + container.getLogs(), late);
        }
    }

    void killBackend(int pid) throws SQLException {
        try (Connection witness = connect(); Statement sql = witness.createStatement()) {
            String known = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid = " + pid;
            if (text(sql, known).equals("0")) {
                throw new IllegalArgumentException(pid + " is no backend of this server; give a pid of pg_stat_activity");
            }
            run("kill -KILL " + pid);
            Await.until("the end of all backends", BOUND, () -> ended(sql));
        }
        Await.until(alias + " to recover", BOUND, () -> ask("SELECT 1").equals("1"));
    }

    boolean runs() {
        return running;
    }

    /** Makes the place of the data, with the labels by which Testcontainers finds what a killed JVM has left. */
    void createVolume() {
        docker().createVolumeCmd().withName(volume).withLabels(Map.of(DockerClientFactory.TESTCONTAINERS_LABEL, "true",
                DockerClientFactory.TESTCONTAINERS_SESSION_ID_LABEL, DockerClientFactory.SESSION_ID)).exec();
    }

    /** Removes the data, when no container mounts them any more. */
    void removeVolume() {
        docker().removeVolumeCmd(volume).exec();
    }

    private void run(String script, String... arguments) {
        String[] words = Stream.concat(Stream.of("sh", "-c", script, "sh"), Stream.of(arguments)).toArray(String[]::new);
        try {
            ExecResult result = container.execInContainer(words);
            if (result.getExitCode() != 0) {
                throw new IllegalStateException(script + " in " + alias + " ended with " + result.getExitCode() + ": "
                        + result.getStderr());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while running " + script, interrupted);
        }
    }

    private static boolean ended(Statement sql) {
        try {
            text(sql, "SELECT 1");
            return false;
        } catch (SQLException gone) {
            return true;
        }
    }

    private static String text(Statement sql, String query) throws SQLException {
        try (ResultSet row = sql.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }

    private static DockerClient docker() {
        return DockerClientFactory.lazyClient();
    }
}
