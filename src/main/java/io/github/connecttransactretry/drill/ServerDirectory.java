package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The directory of one server: its data, its configuration files, its log. */
final class ServerDirectory {

    private static final int TAIL_LINES = 40;

    private final Path home;

    private ServerDirectory(Path home) {
        this.home = home;
    }

    /** A new, empty one in the folder for temporary files. */
    static ServerDirectory create() throws IOException {
        Path home = Files.createTempDirectory("ctr-postgres-" + ProcessHandle.current().pid() + "-");
        Files.setPosixFilePermissions(home, PosixFilePermissions.fromString("rwxr-xr-x"));
        return new ServerDirectory(home);
    }

    Path home() {
        return home;
    }

    Path data() {
        return home.resolve("data");
    }

    Path log() {
        return home.resolve("server.log");
    }

    /** Replaces postgresql.conf. What ALTER SYSTEM has set stands in another file and still wins. */
    void configure(Map<String, String> settings) {
        write("postgresql.conf", settings.entrySet().stream()
                .map(setting -> setting.getKey() + " = '" + escaped(setting.getValue()) + "'\n")
                .collect(Collectors.joining()));
    }

    /** Replaces pg_hba.conf: these users need their password, all others are trusted on loopback. */
    void authenticate(Set<String> usersWithPassword) {
        write("pg_hba.conf", usersWithPassword.stream()
                .map(user -> "host all \"" + user + "\" 127.0.0.1/32 scram-sha-256\n")
                .collect(Collectors.joining())
                + "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n");
    }

    void write(String name, String text) {
        try {
            Files.writeString(data().resolve(name), text);
            Unprivileged.current().own(data().resolve(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The last lines of the log; never fails, for it is wanted in error messages. */
    String logTail() {
        try {
            // PostgreSQL's messages may hold bytes of any encoding.
            List<String> lines = Files.readAllLines(log(), StandardCharsets.ISO_8859_1);
            return String.join("\n", lines.subList(Math.max(0, lines.size() - TAIL_LINES), lines.size()));
        } catch (IOException noLog) {
            return "(no log: " + noLog + ")";
        }
    }

    /** Frees what a killed server left behind outside of its directory, then deletes the directory. */
    void delete() {
        removeSharedMemory();
        Trees.delete(home);
    }

    private void removeSharedMemory() {
        try {
            // Line 7 of postmaster.pid: key and id of the System V segment that marks the directory as in use.
            List<String> lines = Files.readAllLines(data().resolve("postmaster.pid"));
            if (lines.size() >= 7) {
                String[] keyAndId = lines.get(6).trim().split("\\s+");
                Command.tryToRun(List.of("ipcrm", "-m", keyAndId[keyAndId.length - 1]));
            }
        } catch (IOException stoppedCleanly) {
            return;
        }
    }

    private static String escaped(String value) {
        return value.replace("\\", "\\\\").replace("'", "''");
    }
}
