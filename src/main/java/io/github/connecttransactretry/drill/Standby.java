package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Makes standbys without pg_basebackup, which the embedded binaries lack: a low-level base backup as in the chapter
 * "Making a Base Backup Using the Low Level API" of the PostgreSQL manual.
 */
final class Standby {

    private static final Duration BOUND = Duration.ofSeconds(30);
    private static final Set<String> NOT_COPIED = Set.of("postmaster.pid", "postmaster.opts");
    private static final Set<String> EMPTY_IN_COPY = Set.of("pg_wal", "pg_replslot", "pg_dynshmem", "pg_stat_tmp");

    private Standby() {
    }

    /** A new directory with a copy of a running primary, ready to follow it. */
    static ServerDirectory copy(PostgresServer primary, Path data) throws SQLException {
        boolean renamed = primary.majorVersion() >= 15;
        try (Connection session = primary.connect(); Statement sql = session.createStatement()) {
            ServerDirectory target = ServerDirectory.create();
            sql.execute(renamed ? "SELECT pg_backup_start('standby', true)" : "SELECT pg_start_backup('standby', true, false)");
            Trees.copy(data, target.data(), Standby::wanted);
            target.write("backup_label", labelFile(sql, renamed ? "SELECT labelfile FROM pg_backup_stop(false)"
                    : "SELECT labelfile FROM pg_stop_backup(false, false)"));
            target.write("standby.signal", "");
            dropSynchronousStandbys(target);
            Unprivileged.current().own(target.data());
            return target;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits until the primary has a streaming standby of that name. */
    static void awaitStreaming(PostgresServer primary, String name) {
        String query = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = "
                + LiveSettings.literal(name);
        Await.until("standby " + name + " to stream", BOUND, () -> !LiveSettings.ask(primary, query).equals("0"));
    }

    /** Promotes a standby and waits until it accepts writes. */
    static void promote(PostgresServer standby) throws SQLException {
        // Not to wait inside the query: its snapshot may keep the rest of the WAL from being replayed, for up to
        // max_standby_streaming_delay (measured), and only then the promotion comes.
        LiveSettings.ask(standby, "SELECT pg_promote(false)");
        Await.until("the standby to leave recovery", BOUND,
                () -> LiveSettings.ask(standby, "SELECT pg_is_in_recovery()").equals("f"));
    }

    /** The setting by which a standby finds its primary. */
    static String connectionTo(int port, String name) {
        return "host=127.0.0.1 port=" + port + " user=" + PostgresServer.SUPERUSER + " application_name=" + name;
    }

    private static boolean wanted(Path file) {
        boolean inside = file.getNameCount() > 1 && EMPTY_IN_COPY.contains(file.getName(0).toString());
        return !inside && !NOT_COPIED.contains(file.toString());
    }

    private static String labelFile(Statement sql, String query) throws SQLException {
        try (ResultSet row = sql.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }

    /** A promoted copy that waits for the standbys of its old primary could never commit. */
    private static void dropSynchronousStandbys(ServerDirectory target) throws IOException {
        Path file = target.data().resolve("postgresql.auto.conf");
        List<String> lines = Files.readAllLines(file);
        target.write("postgresql.auto.conf", lines.stream().filter(line -> !line.startsWith("synchronous_standby_names"))
                .map(line -> line + "\n").collect(Collectors.joining()));
    }
}
