package io.github.connecttransactretry.drill;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Sees to it that no server outlives this JVM. A shutdown hook closes servers in an orderly exit; a JVM that is killed
 * or halted runs no hooks, so a small shell waits at a pipe that breaks with us, and then ends the server.
 */
final class Guardian {

    // The postmaster works in its data directory: if the process with that id does not, the id is somebody else's now.
    private static final String SCRIPT = """
            trap '' INT TERM HUP
            while read -r line; do :; done
            pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
            if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; then
              kill -QUIT "$pid"
              for i in $(seq 300); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
            fi
            rm -rf "$1"
            """;

    private static final Set<PostgresServer> LIVING = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> LIVING.forEach(PostgresServer::close), "drill-shutdown"));
    }

    private final Process shell;

    private Guardian(Process shell) {
        this.shell = shell;
    }

    /** Watches over a server and its directory from now on. */
    static Guardian of(PostgresServer server, Path home) {
        try {
            Process shell = new ProcessBuilder("sh", "-c", SCRIPT, "drill-guardian", home.toString())
                    .directory(new File("/")).redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .redirectError(ProcessBuilder.Redirect.DISCARD).start();
            LIVING.add(server);
            return new Guardian(shell);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Ends the watch without doing anything to the server. */
    void dismiss(PostgresServer server) {
        LIVING.remove(server);
        shell.destroyForcibly();
    }
}
