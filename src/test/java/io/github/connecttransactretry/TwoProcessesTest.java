package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireScript;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two processes ask for the work of the same idempotency keys, are killed at random and started again, over a network that
 * cuts some COMMITs: each key takes effect once, and whoever asks gets the same result.
 */
class TwoProcessesTest {

    private static final int KEYS = 1000;
    private static final int PROCESSES = 2;
    private static final int KILLS = 8;
    private static final Duration BOUND = Duration.ofMinutes(3);

    private final AtomicInteger cuts = new AtomicInteger();

    @TempDir
    private Path directory;
    private KeyedScene keyed;
    private Worker[] workers;

    /** One process after another that write the same logs. */
    private final class Worker {

        private final String name;
        private final long seed;
        private Process process;
        private boolean finished;

        Worker(String name, long seed) {
            this.name = name;
            this.seed = seed;
        }

        void start() throws IOException {
            File output = directory.resolve(name + ".out").toFile();
            process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1",
                    "-cp", System.getProperty("java.class.path"), KeyHammer.class.getName(),
                    keyed.scene().server().jdbcUrl(keyed.scene().proxy().port()), directory.resolve(name).toString(), seed + "",
                    KEYS + "").redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(output)).start();
        }

        void kill() throws InterruptedException {
            process.destroyForcibly();
            assertTrue(process.waitFor(30, TimeUnit.SECONDS), "a killed process lives on");
        }

        boolean hasFinished() throws IOException {
            if (!finished && !process.isAlive()) {
                assertEquals(0, process.exitValue(), () -> output());
                finished = true;
            }
            return finished;
        }

        List<String> answers() throws IOException {
            List<String> answers = new ArrayList<>();
            for (int thread = 0; thread < KeyHammer.THREADS; thread++) {
                answers.addAll(KeyHammer.lines(directory.resolve(name + "-" + thread)));
            }
            return answers;
        }

        String output() {
            try {
                return name + " said: " + Files.readString(directory.resolve(name + ".out"));
            } catch (IOException unreadable) {
                return name + " said nothing: " + unreadable;
            }
        }
    }

    @BeforeEach
    void open() throws SQLException {
        keyed = KeyedScene.open();
    }

    @AfterEach
    void close() throws InterruptedException {
        for (Worker worker : workers) {
            if (worker != null && worker.process != null) {
                worker.kill();
            }
        }
        keyed.close();
    }

    @Test
    void eachKeyTakesEffectOnceWhoeverAsksAndWhoeverDies() throws Exception {
        long seed = System.nanoTime();
        System.out.println("TwoProcessesTest: seed " + seed);
        Random random = new Random(seed);
        keyed.scene().script(cuttingSomeCommits(new Random(seed + 1)));
        workers = new Worker[PROCESSES];
        for (int number = 0; number < PROCESSES; number++) {
            workers[number] = new Worker("process-" + number, seed);
            workers[number].start();
        }
        int killed = 0;
        for (int round = 1; round <= KILLS; round++) {
            awaitAnswers(answers() + 100 + random.nextInt(200));
            Worker victim = workers[random.nextInt(PROCESSES)];
            if (victim.hasFinished()) {
                continue;
            }
            victim.kill();
            killed++;
            // What its proxy held back arrives after its death.
            int late = keyed.scene().releaseHeld().size();
            System.out.println("TwoProcessesTest: " + answers() + " answers, killed " + victim.name + " (" + killed + "), " + cuts
                    + " COMMITs cut, " + late + " delivered late");
            victim.start();
        }
        assertTrue(killed > 0, "all was done before anybody was killed");
        awaitAnswers(Integer.MAX_VALUE);
        keyed.scene().script(WireScript.pass());
        keyed.scene().releaseHeld();
        requireOneEffectAndOneResultPerKey();
    }

    private void requireOneEffectAndOneResultPerKey() throws IOException, SQLException {
        Map<String, String> results = new HashMap<>();
        int repeats = 0;
        for (Worker worker : workers) {
            for (String line : worker.answers()) {
                String[] answer = line.split(" ");
                String before = results.putIfAbsent(answer[0], answer[1]);
                repeats += before == null ? 0 : 1;
                assertEquals(before == null ? answer[1] : before, answer[1],
                        () -> worker.name + " had another result of " + answer[0]);
            }
        }
        System.out.println("TwoProcessesTest: " + repeats + " repeats, " + cuts + " COMMITs cut");
        assertEquals(KEYS, results.size());
        assertTrue(repeats >= KEYS * (PROCESSES * KeyHammer.THREADS - 1), "only " + repeats + " repeats");
        assertTrue(cuts.get() > 0, "no COMMIT was cut");
        assertEquals(KEYS + "", keyed.scene().ask("SELECT count(*) FROM work"));
        assertEquals(KEYS + "", keyed.scene().ask("SELECT count(DISTINCT key) FROM work"));
        try (ConnectTransactRetry engine = keyed.engine(new Chronicle()).build()) {
            for (int number = 0; number < KEYS; number += 50) {
                String key = "key-" + number;
                assertEquals(results.get(key), engine.run(KeyHammer.options(number), tx -> "done again") + ";");
                assertEquals(List.of(results.get(key)), List.of(keyed.effects(key).get(0) + ";"));
            }
        }
        assertEquals("0", keyed.scene().ask("SELECT count(*) FROM work w FULL JOIN connect_transact_retry.commit_ledger l"
                + " ON w.key = l.idempotency_key AND w.value = convert_from(l.result, 'UTF8') WHERE l.kind IS DISTINCT FROM 'tombstone'"
                + " AND (w.key IS NULL OR l.token IS NULL)"));
    }

    /** Waits for so many answers, or until all have finished. */
    private void awaitAnswers(int wanted) throws IOException, InterruptedException {
        long end = System.nanoTime() + BOUND.toNanos();
        while (answers() < wanted && !allHaveFinished()) {
            if (System.nanoTime() > end) {
                throw new AssertionError(answers() + " answers in the end, not " + wanted + "; "
                        + workers[0].output() + workers[1].output());
            }
            for (Worker worker : workers) {
                if (!worker.hasFinished()) {
                    worker.process.waitFor(20, TimeUnit.MILLISECONDS);
                }
            }
        }
    }

    private boolean allHaveFinished() throws IOException {
        boolean all = true;
        for (Worker worker : workers) {
            all &= worker.hasFinished();
        }
        return all;
    }

    private int answers() throws IOException {
        int answers = 0;
        for (Worker worker : workers) {
            answers += worker.answers().size();
        }
        return answers;
    }

    private WireScript cuttingSomeCommits(Random random) {
        return request -> {
            if (!request.isCommit()) {
                return WireAction.PASS;
            }
            int dice;
            synchronized (random) {
                dice = random.nextInt(100);
            }
            WireAction action = dice < 2 ? WireAction.CUT_AFTER : dice < 4 ? WireAction.CUT_BEFORE
                    : dice < 5 ? WireAction.HOLD_AND_CUT : WireAction.PASS;
            if (action != WireAction.PASS) {
                cuts.incrementAndGet();
            }
            return action;
        };
    }
}
