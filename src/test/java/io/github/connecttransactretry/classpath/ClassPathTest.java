package io.github.connecttransactretry.classpath;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;

/** Optional dependencies are optional: a JVM of its own for each class path, made of our classes and exactly the jars named. */
class ClassPathTest {

    @TempDir
    private Path probes;

    @Test
    void withSlf4jAloneItSaysWhatIsMissing() throws Exception {
        String said = run(WithoutDriver.class, List.of(Logger.class));
        assertTrue(said.startsWith("refused: ") && said.contains("no PostgreSQL driver is on the class path")
                && said.contains("add org.postgresql:postgresql"), said);
    }

    @Test
    void withPgjdbcAndNoPoolItWorks() throws Exception {
        try (TestDatabase database = TestDatabase.launch()) {
            database.execute("CREATE TABLE effect(what text)");
            String said = run(WithoutPool.class, List.of(Logger.class, org.postgresql.Driver.class), database.url(""),
                    PostgresServer.SUPERUSER);
            assertEquals("value: 42", said);
            assertEquals(1, countOf(database));
        }
    }

    private static long countOf(TestDatabase database) throws SQLException {
        return database.count("effect");
    }

    private String run(Class<?> program, List<Class<?>> jars, String... arguments)
            throws IOException, InterruptedException, URISyntaxException {
        copyClass(program);
        copyClass(Absent.class);
        List<String> entries = new ArrayList<>(List.of(homeOf(ConnectTransactRetry.class), probes.toString()));
        for (Class<?> jar : jars) {
            entries.add(homeOf(jar));
        }
        Path out = probes.resolve("out.txt");
        Path err = probes.resolve("err.txt");
        List<String> command = Stream.concat(
                Stream.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1",
                        "-cp", String.join(File.pathSeparator, entries), program.getName()),
                Stream.of(arguments)).collect(Collectors.toList());
        Process process = new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile()).start();
        try {
            assertTrue(process.waitFor(60, TimeUnit.SECONDS), "the program does not end");
            String said = Files.readString(out, StandardCharsets.UTF_8).strip();
            String errors = Files.readString(err, StandardCharsets.UTF_8);
            assertEquals(0, process.exitValue(), () -> said + "\n" + errors);
            return said;
        } finally {
            process.destroyForcibly();
        }
    }

    /** Alone, since the directory of the test classes has more than a user's class path would. */
    private void copyClass(Class<?> type) throws IOException {
        String name = type.getName().replace('.', '/') + ".class";
        Path target = probes.resolve(name);
        Files.createDirectories(target.getParent());
        try (InputStream bytes = type.getClassLoader().getResourceAsStream(name)) {
            Files.write(target, bytes.readAllBytes());
        }
    }

    private static String homeOf(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString();
    }
}
