package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A real PostgreSQL on this machine that can be crashed and started again over the same directory and port.
 *
 * <p>It has its own directory, its own system identifier and, from the class path or a jar, its own version. It ends
 * with {@link #close()}, and at the latest with this JVM. Only the loopback interface reaches it; everybody is trusted
 * but for the users of {@link #requirePassword}. All methods are safe from any thread; those that change the server's
 * life come one after the other and return when the change is complete, or fail within 30 s with the end of the
 * server's log. Linux only.
 */
public final class PostgresServer implements AutoCloseable {

    /** The user that {@link #connect()} uses. */
    public static final String SUPERUSER = "postgres";

    private static final Duration BOUND = Duration.ofSeconds(30);

    private final PostgresBinaries binaries;
    private final ServerDirectory directory;
    private final ServerProcess process;
    private final Map<String, String> settings;
    private final int port;
    private final Map<String, String> passwords = new ConcurrentHashMap<>();
    private final Guardian guardian;
    private boolean closed;

    private PostgresServer(PostgresBinaries binaries, ServerDirectory directory, Map<String, String> settings) {
        this.binaries = binaries;
        this.directory = directory;
        this.settings = new LinkedHashMap<>(settings);
        this.port = FreePort.find();
        this.settings.put("port", Integer.toString(port));
        this.process = new ServerProcess(binaries, directory);
        this.guardian = Guardian.of(this, directory.home());
    }

    /**
     * Launches a server with default settings.
     *
     * @return a server that answers; close it
     * @throws IllegalStateException when it does not start
     */
    public static PostgresServer launch() {
        return builder().launch();
    }

    /**
     * Begins to describe a server.
     *
     * @return a builder with default settings: fsync and synchronous_commit on, a time zone that is not UTC, 100
     *     connections, no Unix socket, WAL kept for slow standbys
     */
    public static PostgresServerBuilder builder() {
        return new PostgresServerBuilder();
    }

    static PostgresServer launch(PostgresBinaries binaries, ServerDirectory directory, Map<String, String> settings) {
        PostgresServer server = new PostgresServer(binaries, directory, settings);
        try {
            directory.configure(server.settings);
            server.start();
            return server;
        } catch (RuntimeException failed) {
            server.close();
            throw failed;
        }
    }

    /** The TCP port on 127.0.0.1; it stays the same over restarts. */
    public int port() {
        return port;
    }

    /** The JDBC URL of the database {@code postgres}, without TLS and without a user, such as {@link #SUPERUSER}. */
    public String jdbcUrl() {
        return jdbcUrl(port);
    }

    /** {@link #jdbcUrl()} by way of another port on 127.0.0.1, a proxy's. */
    public String jdbcUrl(int otherPort) {
        return "jdbc:postgresql://127.0.0.1:" + otherPort + "/postgres?sslmode=disable&gssEncMode=disable";
    }

    /**
     * Opens a connection as superuser.
     *
     * @throws SQLException when the server refuses
     */
    public Connection connect() throws SQLException {
        return connect(port);
    }

    /** {@link #connect()} by way of another port on 127.0.0.1, a proxy's. */
    public Connection connect(int otherPort) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", SUPERUSER);
        properties.setProperty("password", passwords.getOrDefault(SUPERUSER, ""));
        return DriverManager.getConnection(jdbcUrl(otherPort), properties);
    }

    /** The version, such as {@code 17.11}. */
    public String version() {
        return binaries.version();
    }

    /** The major version, such as 17. */
    public int majorVersion() {
        return binaries.majorVersion();
    }

    /** Where the server keeps its data; gone after {@link #close()}. */
    public Path dataDirectory() {
        return directory.data();
    }

    /** The last 40 lines of the server's log, oldest first. */
    public String logTail() {
        return directory.logTail();
    }

    /** Whether the server's process is there; it may not answer yet. */
    public boolean isRunning() {
        return process.running();
    }

    /**
     * Starts the server over its directory, on its port, and waits until it answers.
     *
     * @throws IllegalStateException when it runs already, was closed, or does not answer within 30 s
     */
    public synchronized void start() {
        if (closed || process.running()) {
            throw new IllegalStateException(closed ? "this server is closed" : "this server runs already");
        }
        process.start();
        awaitReady();
    }

    /**
     * Waits until the server answers a query, for instance after {@link #killBackend}.
     *
     * @throws IllegalStateException when it has ended, or does not answer within 30 s
     */
    public void awaitReady() {
        try {
            Await.until("PostgreSQL " + version() + " on port " + port + " to answer", BOUND, () -> !process.running() || answers());
        } catch (IllegalStateException late) {
            throw new IllegalStateException(late.getMessage() + "; its log ends:\n" + logTail(), late);
        }
        if (!process.running()) {
            throw new IllegalStateException("PostgreSQL " + version() + " has ended; its log ends:\n" + logTail());
        }
    }

    /**
     * Stops the server cleanly: sessions are ended, everything is flushed, standbys get the last WAL (SIGINT).
     *
     * @throws IllegalStateException when it does not run, or does not end within 30 s
     */
    public synchronized void stop() {
        requireRunning();
        process.end("INT");
    }

    /**
     * Stops the server without a clean end, so that the next start recovers (SIGQUIT).
     *
     * @throws IllegalStateException when it does not run, or does not end within 30 s
     */
    public synchronized void stopImmediate() {
        requireRunning();
        process.end("QUIT");
    }

    /**
     * Kills the postmaster and all its children in one go (SIGKILL); {@link #start()} recovers.
     *
     * @throws IllegalStateException when it does not run
     */
    public synchronized void crash() {
        requireRunning();
        process.killAll();
    }

    /** {@link #stop()}, then {@link #start()}. */
    public synchronized void restart() {
        stop();
        start();
    }

    /**
     * Kills one backend (SIGKILL). The server then ends all others and recovers under the same postmaster. Returns when
     * all processes from before are gone; {@link #awaitReady()} tells when it answers again.
     *
     * @param pid a backend of this server
     * @throws IllegalArgumentException when it is no child process of this server, or ends by itself in this very moment
     */
    public synchronized void killBackend(int pid) {
        requireChild(pid);
        List<Long> old = process.children();
        // Held still first: one that exits before the signal comes is no crash, and the others would live on.
        ProcessSignals.send("STOP", List.of((long) pid));
        Await.until("process " + pid + " to hold still", BOUND, () -> ProcessSignals.stopped(pid) || !ProcessSignals.alive(pid));
        if (!ProcessSignals.alive(pid)) {
            throw new IllegalArgumentException("process " + pid + " has ended by itself, and cannot be killed any more");
        }
        ProcessSignals.send("KILL", List.of((long) pid));
        Await.until("the end of all backends", BOUND, () -> old.stream().noneMatch(ProcessSignals::alive));
    }

    /**
     * Holds a backend or another child process still (SIGSTOP), so that it no longer reads, writes or answers.
     *
     * @param pid a child process of this server
     * @throws IllegalArgumentException when it is no child process of this server
     */
    public synchronized void suspend(int pid) {
        requireChild(pid);
        ProcessSignals.send("STOP", List.of((long) pid));
        Await.until("process " + pid + " to hold still", BOUND, () -> ProcessSignals.stopped(pid));
    }

    /**
     * Lets a suspended process go on (SIGCONT).
     *
     * @param pid a child process of this server
     * @throws IllegalArgumentException when it is no child process of this server
     */
    public synchronized void resume(int pid) {
        requireChild(pid);
        ProcessSignals.send("CONT", List.of((long) pid));
        Await.until("process " + pid + " to go on", BOUND, () -> !ProcessSignals.stopped(pid));
    }

    /**
     * Sets a parameter of the running server by ALTER SYSTEM and reloads. New sessions have it when this returns;
     * living ones follow within moments.
     *
     * @param name the parameter
     * @param value its value; not null
     * @throws SQLException when the server refuses
     */
    public synchronized void alterSetting(String name, String value) throws SQLException {
        LiveSettings.alter(this, name, value);
    }

    /**
     * Lets a user in only with this password (SCRAM-SHA-256) from now on. The role is made, with LOGIN, if it is not
     * there.
     *
     * @param user letters, digits and underscores
     * @param password not empty
     * @throws SQLException when the server refuses
     * @throws IllegalArgumentException when the user's name has other characters, or the password is empty
     */
    public synchronized void requirePassword(String user, String password) throws SQLException {
        LiveSettings.setPassword(this, user, password);
        passwords.put(user, password);
        directory.authenticate(new TreeSet<>(passwords.keySet()));
        LiveSettings.reload(this);
    }

    /**
     * Makes a role with least privilege: it may log in, owns an empty schema of its own name, where its tables go, and may
     * do nothing else; from now on nobody but superusers may make anything in the schema {@code public}. What the engine
     * needs beyond that is {@code CommitSchema.grant}.
     *
     * @param name lower-case letters, digits and underscores; no role of that name is there
     * @throws SQLException when the server refuses
     * @throws IllegalArgumentException when the name has other characters
     */
    public void createLoginRole(String name) throws SQLException {
        LiveSettings.createLoginRole(this, name);
    }

    /**
     * Makes a standby that streams from this server, by a base backup. Settings and passwords are this server's, but
     * for {@code synchronous_standby_names}.
     *
     * @param name the standby's application_name, such as one in {@code synchronous_standby_names}
     * @return the standby, streaming; close it
     * @throws SQLException when this server refuses
     * @throws IllegalStateException when it does not stream within 30 s
     */
    public synchronized PostgresServer startStandby(String name) throws SQLException {
        ServerDirectory copy = Standby.copy(this, directory.data());
        Map<String, String> followed = new LinkedHashMap<>(settings);
        followed.put("primary_conninfo", Standby.connectionTo(port, name));
        PostgresServer standby = launch(binaries, copy, followed);
        standby.passwords.putAll(passwords);
        Standby.awaitStreaming(this, name);
        return standby;
    }

    /**
     * Starts this stopped server as a standby of another: a clean switchover. Both must be copies of the same server.
     *
     * @param primary the server to follow; promoted after this one was stopped cleanly
     * @param name this standby's application_name
     * @throws IllegalStateException when this one runs, or does not stream within 30 s
     */
    public synchronized void startAsStandbyOf(PostgresServer primary, String name) {
        settings.put("primary_conninfo", Standby.connectionTo(primary.port, name));
        directory.configure(settings);
        directory.write("standby.signal", "");
        start();
        Standby.awaitStreaming(primary, name);
    }

    /**
     * Promotes this standby; returns when it accepts writes.
     *
     * @throws SQLException when it is no standby
     */
    public synchronized void promote() throws SQLException {
        Standby.promote(this);
    }

    /** Ends the server and deletes its directory. Further calls do nothing. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            if (process.running()) {
                process.destroy();
            }
            directory.delete();
            guardian.dismiss(this);
        }
    }

    private boolean answers() throws SQLException {
        return LiveSettings.ask(this, "SELECT 1").equals("1");
    }

    private void requireRunning() {
        if (!process.running()) {
            throw new IllegalStateException("this server does not run");
        }
    }

    private void requireChild(int pid) {
        requireRunning();
        if (!process.children().contains((long) pid)) {
            throw new IllegalArgumentException(pid + " is no child process of this server; give a pid of pg_stat_activity");
        }
    }
}
