package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A server, its processes, directory and shared memory go with close(), and with the JVM however that ends. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NothingLeftBehindTest {

    private static final Duration BOUND = Duration.ofSeconds(20);

    @Test
    void closeEndsAllProcessesAlsoSuspendedOnes() throws Exception {
        PostgresServer server = PostgresServer.launch();
        Traces traces = Traces.of(server);
        try (Connection connection = server.connect()) {
            server.suspend(Sql.number(connection, "SELECT pg_backend_pid()"));
            server.close();
        }
        assertTrue(traces.gone(), traces.toString());
    }

    @Test
    void closeAfterACrashFreesTheSharedMemory() throws Exception {
        PostgresServer server = PostgresServer.launch();
        Traces traces = Traces.of(server);
        server.crash();
        assertTrue(traces.segmentThere(), "a killed server leaves its segment behind: else this test shows nothing");

        server.close();

        assertTrue(traces.gone(), traces.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"exit", "halt", "kill"})
    void theEndOfTheJvmEndsTheServer(String way) throws Exception {
        Process jvm = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), OtherJvm.class.getName(), way).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        try (BufferedReader out = jvm.inputReader()) {
            String line = out.readLine();
            while (line != null && !line.startsWith("server ")) {
                line = out.readLine();
            }
            String[] words = line.split(" ");
            Traces traces = new Traces(List.of(Long.parseLong(words[1])), Path.of(words[2]), words[3]);
            assertFalse(traces.gone());
            if (way.equals("kill")) {
                jvm.destroyForcibly();
            } else {
                jvm.getOutputStream().close();
            }
            jvm.waitFor();

            Await.until("the end of the server", BOUND, traces::gone);
        }
    }

    /** A program that launches a server and ends in some way when its standard input does. */
    static final class OtherJvm {

        public static void main(String[] way) throws Exception {
            PostgresServer server = PostgresServer.launch();
            Traces traces = Traces.of(server);
            System.out.println("server " + traces.pids().get(0) + " " + traces.home() + " " + traces.segment());
            while (System.in.read() >= 0) {
                continue;
            }
            if (way[0].equals("halt")) {
                Runtime.getRuntime().halt(1);
            }
            System.exit(0);
        }
    }

    /** Where a server can be seen from outside. */
    private record Traces(List<Long> pids, Path home, String segment) {

        static Traces of(PostgresServer server) throws Exception {
            List<String> pidFile = Files.readAllLines(server.dataDirectory().resolve("postmaster.pid"));
            long postmaster = Long.parseLong(pidFile.get(0));
            List<Long> all = new ArrayList<>(List.of(postmaster));
            all.addAll(ProcessSignals.descendants(postmaster));
            assertTrue(all.size() > 3, "the postmaster and its children: " + all);
            return new Traces(all, server.dataDirectory().getParent(), pidFile.get(6).trim().split("\\s+")[1]);
        }

        boolean gone() throws Exception {
            return pids.stream().noneMatch(ProcessSignals::alive) && Files.notExists(home) && !segmentThere();
        }

        boolean segmentThere() throws Exception {
            return Files.readAllLines(Path.of("/proc/sysvipc/shm")).stream()
                    .anyMatch(line -> line.trim().split("\\s+")[1].equals(segment));
        }
    }
}
