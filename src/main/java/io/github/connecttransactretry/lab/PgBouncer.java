package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.FreePort;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserPrincipal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A real PgBouncer in transaction mode, as a process of this machine. It keeps its port over {@link #stop()} and
 * {@link #start()}, and ends with {@link #close()}, at the latest with this JVM, however that ends. Thread-safe.
 */
public final class PgBouncer implements AutoCloseable {

    /** What a JDBC URL by way of it needs: a prepared statement lives in a server session, and those are shared. */
    public static final String URL_PARAMETERS = "prepareThreshold=0";

    private static final String VARIABLE = "PGBOUNCER";
    private static final String PROGRAM = "pgbouncer";
    private static final Pattern VERSION = Pattern.compile("PgBouncer (\\d+\\.\\d+(\\.\\d+)?)");
    /** PgBouncer refuses to run as root. */
    private static final String UNPRIVILEGED = "nobody";
    private static final Duration BOUND = Duration.ofSeconds(30);
    private static final int PROBE_MILLIS = 2_000;
    private static final int SSL_REQUEST = 80_877_103;

    private final Path binary;
    private final String version;
    private final Path home;
    private final String host;
    private final int port;
    private Process process;

    private PgBouncer(Path binary, String version, Path home, String host, int port) {
        this.binary = binary;
        this.version = version;
        this.home = home;
        this.host = host;
        this.port = port;
    }

    /**
     * Starts one before a server. All databases of the server can be reached by way of it, by the users that are given.
     *
     * @param bindHost     the address to listen on: {@code 127.0.0.1}, or {@code 0.0.0.0} for containers too
     * @param upstreamHost the server's host
     * @param upstreamPort the server's port
     * @param passwords    of those who may connect, by user, as the server knows them
     * @return one that answers; close it
     * @throws IllegalStateException when there is no PgBouncer, or it does not answer within 30 s
     */
    public static PgBouncer start(String bindHost, String upstreamHost, int upstreamPort, Map<String, String> passwords) {
        Path binary = find(System.getenv(VARIABLE), System.getenv("PATH")).orElseThrow(() -> new IllegalStateException(mend()));
        String version = version(binary);
        try {
            Path home = Files.createTempDirectory("ctr-pgbouncer-");
            PgBouncer pooler = new PgBouncer(binary, version, home, bindHost, FreePort.find());
            pooler.configure(upstreamHost, upstreamPort, passwords);
            pooler.startOrTidyUp();
            return pooler;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Why none can be started here, and the mend; empty if one can.
     *
     * @throws IllegalStateException when the environment variable {@code PGBOUNCER} names no program
     */
    public static Optional<String> obstacle() {
        return find(System.getenv(VARIABLE), System.getenv("PATH")).isPresent() ? Optional.empty() : Optional.of(mend());
    }

    /** What it is, in a few words. */
    public String description() {
        return "PgBouncer " + version;
    }

    /** The port that clients connect to. */
    public int port() {
        return port;
    }

    /**
     * Starts it again on its port; returns when it answers.
     *
     * @throws IllegalStateException when it runs already or was closed, or does not answer within 30 s
     */
    public synchronized void start() {
        if (!Files.exists(home) || running()) {
            throw new IllegalStateException(running() ? "this PgBouncer runs already" : "this PgBouncer is closed");
        }
        try {
            process = new ProcessBuilder(command()).redirectErrorStream(true).directory(new File("/"))
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile())).start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Await.until("PgBouncer to answer on port " + port, BOUND, () -> !running() || answers());
        if (!running()) {
            throw new IllegalStateException(binary + " has ended; its log:\n" + logText());
        }
    }

    /**
     * Ends it at once; its clients are disconnected without a word.
     *
     * @throws IllegalStateException when it does not run, or does not end within 30 s
     */
    public synchronized void stop() {
        if (!running()) {
            throw new IllegalStateException("this PgBouncer does not run");
        }
        try (OutputStream pipe = process.getOutputStream()) {
            pipe.write('\n');
        } catch (IOException ended) {
            // It ended by itself in this moment, which is what was wanted.
        }
        awaitEnd();
    }

    /** Ends it and removes its files. Further calls do nothing. */
    @Override
    public synchronized void close() {
        if (running()) {
            stop();
        }
        try (Stream<Path> files = Files.exists(home) ? Files.list(home) : Stream.of()) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
            Files.deleteIfExists(home);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The program that the environment variable names, else the first on the path, else Debian's, which is on no user's path. */
    static Optional<Path> find(String named, String path) {
        if (named != null && !named.isEmpty()) {
            if (!Files.isExecutable(Path.of(named)) || Files.isDirectory(Path.of(named))) {
                throw new IllegalStateException(VARIABLE + "=" + named + " is no program: name PgBouncer's binary, or unset it");
            }
            return Optional.of(Path.of(named));
        }
        return Programs.onPath(path, PROGRAM).or(() -> Programs.onPath("/usr/sbin", PROGRAM));
    }

    /** As {@code --version} says it. */
    static String version(Path binary) {
        String answer;
        try {
            Process asked = new ProcessBuilder(binary.toString(), "--version").redirectErrorStream(true).start();
            answer = new String(asked.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        } catch (IOException notStarted) {
            answer = notStarted.getMessage();
        }
        Matcher version = VERSION.matcher(answer);
        if (!version.lookingAt()) {
            throw new IllegalStateException(
                    binary + " is not PgBouncer, or does not run here: to --version it says \"" + answer + "\"");
        }
        return version.group(1);
    }

    private static String mend() {
        return "PgBouncer is neither on the PATH nor in /usr/sbin: install it (on Debian: apt-get install pgbouncer), or name its"
                + " binary in the environment variable " + VARIABLE;
    }

    private void configure(String upstreamHost, int upstreamPort, Map<String, String> passwords) throws IOException {
        write("users.txt", passwords.entrySet().stream()
                .map(user -> quoted(user.getKey()) + " " + quoted(user.getValue()) + "\n").collect(Collectors.joining()));
        // server_login_retry: its 15 s would be most of a call's time after a restart of the server.
        write("pgbouncer.ini", """
                [databases]
                * = host=%s port=%d
                [pgbouncer]
                listen_addr = %s
                listen_port = %d
                unix_socket_dir =
                auth_type = scram-sha-256
                auth_file = %s
                pool_mode = transaction
                max_client_conn = 200
                default_pool_size = 50
                server_login_retry = 1
                server_connect_timeout = 5
                ignore_startup_parameters = extra_float_digits,options
                %s""".formatted(upstreamHost, upstreamPort, host, port, home.resolve("users.txt"),
                knowsPreparedStatements() ? "max_prepared_statements = 0\n" : ""));
        Files.createFile(log());
        if (root()) {
            UserPrincipal user = home.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName(UNPRIVILEGED);
            for (String name : List.of("users.txt", "pgbouncer.ini", "")) {
                Files.setOwner(home.resolve(name), user);
            }
        }
    }

    private void write(String name, String text) throws IOException {
        Files.writeString(home.resolve(name), text);
    }

    /** Since 1.21; an older one would not start with the setting, a newer one may have it on. */
    private boolean knowsPreparedStatements() {
        String[] numbers = version.split("\\.");
        return Integer.parseInt(numbers[0]) > 1 || Integer.parseInt(numbers[1]) >= 21;
    }

    private List<String> command() {
        List<String> words = new ArrayList<>(List.of(binary.toString()));
        if (root()) {
            words.addAll(List.of("-u", UNPRIVILEGED));
        }
        words.add(home.resolve("pgbouncer.ini").toString());
        // Its SIGKILL is no rougher on clients than what PgBouncer itself calls an immediate shutdown.
        return Keeper.command("lab-pgbouncer", home.toString(), words);
    }

    private void startOrTidyUp() {
        try {
            start();
        } catch (RuntimeException failed) {
            close();
            throw failed;
        }
    }

    private boolean running() {
        return process != null && process.isAlive();
    }

    /** Whether something answers that speaks PostgreSQL's protocol: S or N to the question for TLS. */
    private boolean answers() throws IOException {
        boolean everywhere = InetAddress.getByName(host).isAnyLocalAddress();
        InetAddress address = everywhere ? InetAddress.getLoopbackAddress() : InetAddress.getByName(host);
        try (Socket socket = new Socket()) {
            socket.setSoTimeout(PROBE_MILLIS);
            socket.connect(new InetSocketAddress(address, port), PROBE_MILLIS);
            DataOutputStream request = new DataOutputStream(socket.getOutputStream());
            request.writeLong((long) Long.BYTES << Integer.SIZE | SSL_REQUEST);
            request.flush();
            int answer = socket.getInputStream().read();
            return answer == 'N' || answer == 'S';
        }
    }

    private void awaitEnd() {
        try {
            if (!process.waitFor(BOUND.toSeconds(), TimeUnit.SECONDS)) {
                throw new IllegalStateException("PgBouncer did not end within " + BOUND.toSeconds() + " s");
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while PgBouncer ends", interrupted);
        }
    }

    private Path log() {
        return home.resolve("pgbouncer.log");
    }

    private String logText() {
        try {
            return Files.readString(log(), StandardCharsets.ISO_8859_1);
        } catch (IOException noLog) {
            return "(no log: " + noLog + ")";
        }
    }

    private static boolean root() {
        return "root".equals(System.getProperty("user.name"));
    }

    private static String quoted(String text) {
        return '"' + text.replace("\"", "\"\"") + '"';
    }
}
