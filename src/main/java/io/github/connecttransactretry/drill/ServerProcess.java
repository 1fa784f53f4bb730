package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The postmaster of one server and its children. Not thread-safe but for {@link #running}. */
final class ServerProcess {

    private static final Duration BOUND = Duration.ofSeconds(30);

    private final PostgresBinaries binaries;
    private final ServerDirectory directory;
    private volatile Process postmaster;

    ServerProcess(PostgresBinaries binaries, ServerDirectory directory) {
        this.binaries = binaries;
        this.directory = directory;
    }

    /** Starts the postmaster; it is not ready yet. */
    void start() {
        List<String> words = List.of(binaries.program("postgres"), "-D", directory.data().toString());
        ProcessBuilder builder = new ProcessBuilder(Unprivileged.current().command(words)).redirectErrorStream(true)
                .redirectInput(new File("/dev/null")).redirectOutput(ProcessBuilder.Redirect.appendTo(directory.log().toFile()));
        // The server's messages and sorting must not depend on who runs the test.
        builder.environment().keySet().removeIf(name -> name.startsWith("PG") || name.startsWith("LC_") || name.equals("LANG"));
        try {
            postmaster = builder.start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean running() {
        Process current = postmaster;
        return current != null && current.isAlive();
    }

    List<Long> children() {
        return ProcessSignals.descendants(postmaster.pid());
    }

    /** Sends the postmaster a signal that ends it, and waits for the end. */
    void end(String signal) {
        ProcessSignals.send(signal, List.of(postmaster.pid()));
        awaitEnd();
    }

    /** Ends the postmaster and all children at the same moment, as a power cut would. */
    void killAll() {
        // Held still, the postmaster can have no child that the list lacks.
        ProcessSignals.send("STOP", List.of(postmaster.pid()));
        Await.until("the postmaster to hold still", BOUND, () -> ProcessSignals.stopped(postmaster.pid()) || !running());
        // And it goes last: a child that saw it die first would still tell its client so (57P01).
        List<Long> all = new ArrayList<>(children());
        all.add(postmaster.pid());
        ProcessSignals.send("KILL", all);
        awaitEnd();
        Await.until("the end of all processes of the server", BOUND, () -> all.stream().noneMatch(ProcessSignals::alive));
    }

    /** Ends everything for good and quickly; children held by SIGSTOP too. */
    void destroy() {
        ProcessSignals.send("CONT", children());
        ProcessSignals.send("QUIT", List.of(postmaster.pid()));
        try {
            if (!postmaster.waitFor(10, TimeUnit.SECONDS)) {
                killAll();
            }
        } catch (InterruptedException interrupted) {
            killAll();
            Thread.currentThread().interrupt();
        }
    }

    private void awaitEnd() {
        try {
            if (!postmaster.waitFor(BOUND.toSeconds(), TimeUnit.SECONDS)) {
                throw new IllegalStateException("the server did not end within " + BOUND.toSeconds() + " s; its log:\n"
                        + directory.logTail());
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the server ends", interrupted);
        }
    }
}
