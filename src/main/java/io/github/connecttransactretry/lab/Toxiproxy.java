package io.github.connecttransactretry.lab;

import eu.rekawek.toxiproxy.Proxy;
import eu.rekawek.toxiproxy.ToxiproxyClient;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.FreePort;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A real Toxiproxy server: one that already runs, named by {@code TOXIPROXY_URL}, or a process of its own on the loopback
 * interface, of the binary that {@link ToxiproxyBinary} finds. Safe from any thread. Ends with {@link #close()}, and at the latest
 * with this JVM, however that ends.
 */
public final class Toxiproxy implements AutoCloseable {

    private static final Duration BOUND = Duration.ofSeconds(20);
    private static final int TRIES = 5;
    private static final AtomicInteger NAMES = new AtomicInteger();

    private final ToxiproxyClient client;
    private final String description;
    private final Process process;

    private Toxiproxy(ToxiproxyClient client, String description, Process process) {
        this.client = client;
        this.description = description;
        this.process = process;
    }

    /** That there is no Toxiproxy to be had. The message says what was tried, and the mend. */
    public static final class NoToxiproxy extends Exception {

        private static final long serialVersionUID = 1L;

        NoToxiproxy(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /**
     * Reaches the given server, or starts one.
     *
     * @param environment for TOXIPROXY_URL, TOXIPROXY_SERVER, PATH and the cache's place
     * @param progress    is told if the server has to be built first, which takes a minute
     * @return a server that answers
     * @throws NoToxiproxy if none can be had
     */
    public static Toxiproxy obtain(Map<String, String> environment, PrintStream progress) throws NoToxiproxy {
        String url = environment.getOrDefault("TOXIPROXY_URL", "");
        if (!url.isEmpty()) {
            return reach(url);
        }
        Path binary = ToxiproxyBinary.find(environment, progress);
        IllegalStateException last = null;
        // A free port may be taken by somebody else before the server has it.
        for (int attempt = 0; attempt < TRIES; attempt++) {
            try {
                return start(binary);
            } catch (IOException unusable) {
                throw new NoToxiproxy(binary + " cannot be started: " + unusable.getMessage(), unusable);
            } catch (IllegalStateException silent) {
                last = silent;
            }
        }
        throw new NoToxiproxy(binary + " was started " + TRIES + " times and did not answer: is it toxiproxy-server?", last);
    }

    private static Toxiproxy reach(String url) throws NoToxiproxy {
        try {
            URI uri = URI.create(url);
            if (uri.getHost() == null || uri.getPort() < 0) {
                throw new NoToxiproxy("TOXIPROXY_URL=" + url + " names no host and port: say for example http://127.0.0.1:8474", null);
            }
            ToxiproxyClient client = new ToxiproxyClient(uri.getHost(), uri.getPort());
            return new Toxiproxy(client, "Toxiproxy " + version(client) + " at " + url, null);
        } catch (IOException | IllegalArgumentException unreachable) {
            throw new NoToxiproxy("no Toxiproxy answers at TOXIPROXY_URL=" + url + " (" + unreachable.getMessage()
                    + "): start one there, or unset it", unreachable);
        }
    }

    private static Toxiproxy start(Path binary) throws IOException {
        int port = FreePort.find();
        ProcessBuilder command = new ProcessBuilder(Keeper.command("lab-toxiproxy", "",
                List.of(binary.toString(), "-host", "127.0.0.1", "-port", Integer.toString(port))));
        command.environment().put("LOG_LEVEL", "fatal");
        Process process = command.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        ToxiproxyClient client = new ToxiproxyClient("127.0.0.1", port);
        try {
            Await.until(binary + " to answer on port " + port, BOUND, () -> !process.isAlive() || version(client) != null);
            if (!process.isAlive()) {
                throw new IllegalStateException(binary + " ended at once with exit code " + process.exitValue());
            }
            return new Toxiproxy(client, "Toxiproxy " + version(client) + " (" + binary + ")", process);
        } catch (RuntimeException | IOException failed) {
            end(process);
            throw failed;
        }
    }

    private static String version(ToxiproxyClient client) throws IOException {
        // Old servers answer with the bare number, new ones with JSON around it; one that Go built from the module says "git".
        return client.version().replaceAll(".*\"version\"|[^0-9a-z.]", "");
    }

    /** Which server it is, in a few words. */
    public String description() {
        return description;
    }

    /** Whether the server that was started here still runs: one that toxics and endings meet at an ill moment may panic (2.12.0 does). */
    boolean isAlive() {
        return process == null || process.isAlive();
    }

    /**
     * Makes a proxy on a free port of 127.0.0.1.
     *
     * @param upstreamPort of 127.0.0.1, as the server sees it
     * @return the proxy, to be deleted by whoever made it
     */
    public Proxy proxyTo(int upstreamPort) {
        try {
            return client.createProxy("postgresql-" + ProcessHandle.current().pid() + "-" + NAMES.incrementAndGet(), "127.0.0.1:0",
                    "127.0.0.1:" + upstreamPort);
        } catch (IOException failed) {
            throw new UncheckedIOException("Toxiproxy makes no proxy", failed);
        }
    }

    /** The port that a proxy listens on. */
    static int port(Proxy proxy) {
        return Integer.parseInt(proxy.getListen().substring(proxy.getListen().lastIndexOf(':') + 1));
    }

    /** Ends the server if it was started here. */
    @Override
    public void close() {
        if (process != null) {
            end(process);
        }
    }

    /** The keeper's pipe breaks. */
    private static void end(Process process) {
        try {
            process.getOutputStream().close();
        } catch (IOException ended) {
            // It has gone already.
        }
    }
}
