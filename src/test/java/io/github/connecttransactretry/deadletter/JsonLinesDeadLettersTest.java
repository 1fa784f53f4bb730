package io.github.connecttransactretry.deadletter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.CapturedLog;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The file of letters: what crashes, interrupts and other writers may do to it. */
class JsonLinesDeadLettersTest {

    private static final int THREADS = 8;
    private static final int LETTERS = 15;

    @TempDir
    private Path directory;
    private Path file;
    private JsonLinesDeadLetters letters;

    @BeforeEach
    void open() {
        file = directory.resolve("letters.jsonl");
        letters = new JsonLinesDeadLetters(file);
    }

    /** Started as another process too: arguments are the file and a name. */
    public static void main(String[] arguments) {
        write(new JsonLinesDeadLetters(Path.of(arguments[0])), arguments[1]);
    }

    private static void write(DeadLetterSink sink, String name) {
        ExecutorService pool = Executors.newFixedThreadPool(THREADS);
        try {
            List<CompletableFuture<Void>> all = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                String payload = name + "-" + thread + "-";
                all.add(CompletableFuture.runAsync(() -> writeAll(sink, payload), pool));
            }
            all.forEach(CompletableFuture::join);
        } finally {
            pool.shutdown();
        }
    }

    private static void writeAll(DeadLetterSink sink, String payload) {
        for (int i = 0; i < LETTERS; i++) {
            try {
                // Long enough that one write of the system's would not be one of the disk's.
                sink.put(Letters.failed(payload + i + " ".repeat(i * 300)));
            } catch (Exception failed) {
                throw new IllegalStateException(failed);
            }
        }
    }

    private static void addExpected(Set<String> expected, String name) {
        for (int thread = 0; thread < THREADS; thread++) {
            for (int i = 0; i < LETTERS; i++) {
                expected.add(name + "-" + thread + "-" + i);
            }
        }
    }

    @Test
    void anyTextComesBack() throws IOException {
        long seed = System.nanoTime();
        System.out.println("JsonLinesDeadLettersTest seed " + seed);
        Random random = new Random(seed);
        List<DeadLetter> put = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            DeadLetter letter = i % 2 == 0 ? Letters.failed(Letters.awkward(random)) : Letters.keyed(Letters.awkward(random));
            letters.put(letter);
            letters.put(letter);
            put.add(letter);
        }
        assertEquals(80, Files.readAllLines(file).size());
        assertEquals(Set.copyOf(put), Set.copyOf(letters.open()));
        assertEquals(put.size(), letters.open().size(), "a letter came twice");
    }

    /** Many end at the same deadline: nobody waits for a flush of each. */
    @Test
    void manyAtOnceAreAllKept() throws Exception {
        LetterFile writing = new LetterFile(letters.file());
        ExecutorService pool = Executors.newFixedThreadPool(200);
        try {
            List<CompletableFuture<Void>> all = new ArrayList<>();
            try (FileTurn turn = FileTurn.take(letters.file())) {
                assertNotNull(turn);
                for (int i = 0; i < 200; i++) {
                    String payload = "at once " + i;
                    all.add(CompletableFuture.runAsync(() -> put(writing, payload), pool));
                }
                Await.until("all to wait", Duration.ofSeconds(20), () -> writing.writers() == 200);
            }
            all.forEach(CompletableFuture::join);
        } finally {
            pool.shutdown();
        }
        assertEquals(200, letters.open().size());
        assertEquals(0, writing.writers());
        assertEquals(200, Files.readAllLines(file).size());
    }

    private static void put(LetterFile into, String payload) {
        try {
            into.append((Letters.failed(payload).toJson() + "\n").getBytes(StandardCharsets.US_ASCII));
        } catch (IOException lost) {
            throw new UncheckedIOException(lost);
        }
    }

    /** However long it takes to read them, letters are written meanwhile. */
    @Test
    void whoReadsKeepsNobodyFromWriting() throws IOException {
        LetterFile same = new LetterFile(letters.file());
        put(same, "first");
        try (InputStream reading = same.contents()) {
            put(same, "second");
            assertEquals(1, new String(reading.readAllBytes(), StandardCharsets.UTF_8).lines().count());
        }
        assertEquals(2, letters.open().size());
    }

    @Test
    void emptyBeforeTheFirst() throws IOException {
        assertEquals(List.of(), letters.open());
        assertFalse(Files.exists(file));
    }

    @Test
    void readableByTheOwnerAlone() throws IOException {
        letters.put(Letters.failed("p"));
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    }

    @Test
    void lineThatACrashHasCutOffIsSkippedAndSaid() throws IOException {
        DeadLetter first = Letters.failed("first");
        DeadLetter second = Letters.failed("second");
        letters.put(first);
        String torn = Letters.failed("never finished").toJson();
        Files.writeString(file, torn.substring(0, torn.length() - 5), StandardOpenOption.APPEND);
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN)) {
            assertEquals(new JsonLinesDeadLetters.Contents(List.of(first), List.of(2)), letters.read());
            assertTrue(log.text().contains("line 2 of " + letters.file()), log::text);
            assertFalse(log.text().contains("never finished"), log::text);
            letters.put(second);
            Files.write(file, new byte[] {(byte) 0xff, (byte) 0xfe, '\n'}, StandardOpenOption.APPEND);
            assertEquals(new JsonLinesDeadLetters.Contents(List.of(first, second), List.of(2, 4)), letters.read());
        }
    }

    /** Only the line's end is missing: nothing is lost. */
    @Test
    void wholeLineWithoutItsEndIsALetter() throws IOException {
        DeadLetter first = Letters.failed("first");
        Files.writeString(file, first.toJson());
        DeadLetter second = Letters.failed("second");
        letters.put(second);
        assertEquals(new JsonLinesDeadLetters.Contents(List.of(first, second), List.of()), letters.read());
    }

    @Test
    void interruptKeepsNoLetterOut() throws Exception {
        Thread.currentThread().interrupt();
        DeadLetter letter = Letters.failed("p");
        letters.put(letter);
        assertTrue(Thread.currentThread().isInterrupted());
        assertEquals(List.of(letter), letters.open());
        assertTrue(Thread.interrupted());
    }

    /** Interrupts that come at any moment of it, each closing what is open. */
    @Test
    void interruptsMeanwhileKeepNoLetterOut() throws Exception {
        Thread writer = new Thread(() -> writeAll(letters, "w-0-"));
        writer.start();
        while (writer.isAlive()) {
            writer.interrupt();
            writer.join(1);
        }
        Set<String> expected = new TreeSet<>();
        for (int i = 0; i < LETTERS; i++) {
            expected.add("w-0-" + i);
        }
        assertEquals(expected, payloads());
    }

    @Test
    void twoSinksOfOneFileInOneProcess() throws IOException {
        CompletableFuture<Void> other = CompletableFuture.runAsync(() -> write(letters, "a"));
        write(new JsonLinesDeadLetters(directory.resolve(".").resolve("letters.jsonl")), "b");
        other.join();
        Set<String> expected = new TreeSet<>();
        addExpected(expected, "a");
        addExpected(expected, "b");
        assertWhole(expected);
    }

    @Test
    void twoProcesses() throws Exception {
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"), JsonLinesDeadLettersTest.class.getName(),
                file.toString(), "other").redirectErrorStream(true).redirectOutput(directory.resolve("out").toFile()).start();
        Set<String> expected = new TreeSet<>();
        addExpected(expected, "other");
        // Until the other one is done, so that they meet however slowly it starts.
        for (int round = 0; process.isAlive(); round++) {
            writeAll(letters, "own" + round + "-0-");
            for (int i = 0; i < LETTERS; i++) {
                expected.add("own" + round + "-0-" + i);
            }
            // Whoever reads and closes the file takes nobody's turn away.
            Files.readAllBytes(file);
        }
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue(), () -> said());
        assertWhole(expected);
    }

    private String said() {
        try {
            return Files.readString(directory.resolve("out"));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    private void assertWhole(Set<String> expected) throws IOException {
        assertEquals(List.of(), letters.read().skipped());
        assertEquals(expected.size(), letters.open().size());
        assertEquals(expected, payloads());
    }

    private Set<String> payloads() throws IOException {
        return letters.open().stream().map(letter -> letter.payload().strip()).collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void placesThatCannotBeAreRefusedAtOnce() {
        assertThrows(IllegalArgumentException.class, () -> new JsonLinesDeadLetters(directory.resolve("nowhere").resolve("f")));
        assertThrows(IllegalArgumentException.class, () -> new JsonLinesDeadLetters(directory));
        assertThrows(NullPointerException.class, () -> new JsonLinesDeadLetters(null));
    }

    /** The kernel's own full disk. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void fullDiskIsSaid() throws IOException {
        Path full = Files.createSymbolicLink(directory.resolve("full"), Path.of("/dev/full"));
        assertThrows(IOException.class, () -> new JsonLinesDeadLetters(full).put(Letters.failed("p")));
    }
}
