package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.lab.Toxiproxy.NoToxiproxy;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Finds the binary of Toxiproxy's server: the one that {@code TOXIPROXY_SERVER} names, else {@code toxiproxy-server} on the
 * PATH, else one that Go builds from Toxiproxy's own module, once, into the user's cache folder. Stateless.
 */
final class ToxiproxyBinary {

    static final String VERSION = "2.12.0";

    private static final String MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v" + VERSION;
    private static final String MEND = "Install toxiproxy-server " + VERSION + " and name it in TOXIPROXY_SERVER or put it on the PATH;"
            + " or install Go 1.23 or newer, with which it is built; or start one and name it in TOXIPROXY_URL.";

    private ToxiproxyBinary() {
    }

    static Path find(Map<String, String> environment, PrintStream progress) throws NoToxiproxy {
        String named = environment.getOrDefault("TOXIPROXY_SERVER", "");
        if (!named.isEmpty()) {
            if (!Files.isExecutable(Path.of(named))) {
                throw new NoToxiproxy("TOXIPROXY_SERVER=" + named + " is no program. " + MEND, null);
            }
            return Path.of(named);
        }
        Optional<Path> installed = Programs.onPath(environment.get("PATH"), "toxiproxy-server");
        if (installed.isPresent()) {
            return installed.get();
        }
        Path built = cache(environment).resolve("toxiproxy-server-" + VERSION);
        if (!Files.isExecutable(built)) {
            Path go = Programs.onPath(environment.get("PATH"), "go").orElseThrow(() -> new NoToxiproxy("There is no Toxiproxy. " + MEND, null));
            build(go, built, progress);
        }
        return built;
    }

    private static Path cache(Map<String, String> environment) {
        String given = environment.getOrDefault("XDG_CACHE_HOME", "");
        Path caches = given.isEmpty() ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(given);
        return caches.resolve("connect-transact-retry");
    }

    private static void build(Path go, Path wanted, PrintStream progress) throws NoToxiproxy {
        try {
            Files.createDirectories(wanted.getParent());
            // Several JVMs may want it at once: one builds, the others find it.
            try (FileChannel file = FileChannel.open(Path.of(wanted + ".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    FileLock one = file.lock()) {
                if (one.isValid() && !Files.isExecutable(wanted)) {
                    progress.println("building Toxiproxy " + VERSION + ", once, with " + go + " into " + wanted + " (about a minute)");
                    buildInto(go, wanted, progress);
                }
            }
        } catch (IOException unwritable) {
            throw new NoToxiproxy("Toxiproxy could not be built into " + wanted + ": " + unwritable + ". " + MEND, unwritable);
        }
    }

    private static void buildInto(Path go, Path wanted, PrintStream progress) throws IOException, NoToxiproxy {
        Path folder = Files.createTempDirectory(wanted.getParent(), "toxiproxy.unfinished-");
        try {
            ProcessBuilder command = new ProcessBuilder(go.toString(), "install", MODULE).redirectErrorStream(true);
            command.environment().put("GOBIN", folder.toString());
            Process building = command.start();
            StringBuilder said = new StringBuilder();
            try (BufferedReader lines = building.inputReader(StandardCharsets.UTF_8)) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    progress.println("  " + line);
                    said.append("\n  ").append(line);
                }
            }
            int code = building.waitFor();
            if (code != 0) {
                throw new NoToxiproxy("\"go install " + MODULE + "\" ended with exit code " + code + ":" + said + "\n" + MEND, null);
            }
            Files.move(folder.resolve("server"), wanted, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new NoToxiproxy("interrupted while Toxiproxy was built", interrupted);
        } finally {
            try (Stream<Path> rest = Files.list(folder)) {
                for (Path file : rest.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(folder);
        }
    }
}
