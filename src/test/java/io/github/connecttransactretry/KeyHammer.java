package io.github.connecttransactretry;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A program that asks for the work of many idempotency keys and writes each answer down, to be killed and started again. It
 * goes on where its own log ends; what was done and not written down it asks for again. Each thread asks for every key.
 */
final class KeyHammer {

    /** As many logs does each process write. */
    static final int THREADS = 2;
    private static final TransactionOptions OPTIONS = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(15));

    private final ConnectTransactRetry engine;
    private final Path log;
    private final Set<String> done;

    private KeyHammer(ConnectTransactRetry engine, Path log) throws IOException {
        this.engine = engine;
        this.log = log;
        this.done = new HashSet<>(lines(log));
        // A line that the kill cut off must not run into the next one.
        Files.writeString(log, "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** The JDBC URL, the log, the seed of the order and how many keys. */
    public static void main(String[] arguments) throws IOException, InterruptedException, ExecutionException {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(arguments[0]);
        config.setUsername(PostgresServer.SUPERUSER);
        config.setMaximumPoolSize(THREADS);
        Path log = Path.of(arguments[1]);
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        try (HikariDataSource pool = new HikariDataSource(config);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).outcome(OutcomeMode.LEDGER).build()) {
            List<Future<?>> ends = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                                List<Integer> order = order(Integer.parseInt(arguments[3]), Long.parseLong(arguments[2]) + thread);
                KeyHammer hammer = new KeyHammer(engine, Path.of(log + "-" + thread));
                ends.add(threads.submit(() -> {
                    hammer.go(order);
                    return null;
                }));
            }
            for (Future<?> end : ends) {
                end.get();
            }
        } finally {
            threads.shutdownNow();
        }
    }

    /** The same in all processes, so that they meet at the keys. */
    private static List<Integer> order(int keys, long seed) {
        List<Integer> order = new ArrayList<>();
        for (int key = 0; key < keys; key++) {
            order.add(key);
        }
        Collections.shuffle(order, new Random(seed));
        return order;
    }

    /** The lines that were written whole, key and result each. */
    static List<String> lines(Path log) throws IOException {
        if (!Files.exists(log)) {
            return List.of();
        }
        String text = Files.readString(log, StandardCharsets.UTF_8);
        return text.substring(0, text.lastIndexOf('\n') + 1).lines().filter(line -> line.endsWith(";")).toList();
    }

    /** Odd ones are claimed before the work. */
    static TransactionOptions options(int number) {
        IdempotencyKey key = IdempotencyKey.of("key-" + number).withResult(ResultCodec.text());
        return OPTIONS.withIdempotencyKey(number % 2 == 1 ? key.claimedFirst() : key);
    }

    private void go(List<Integer> order) throws IOException, SQLException {
        Set<String> answered = new HashSet<>();
        done.forEach(line -> answered.add(line.split(" ")[0]));
        for (int number : order) {
            if (!answered.contains("key-" + number)) {
                String line = "key-" + number + " " + ask(number) + ";\n";
                Files.writeString(log, line, StandardOpenOption.APPEND);
            }
        }
    }

    private String ask(int number) throws SQLException {
        while (true) {
            try {
                return engine.run(options(number), tx -> work(tx, number));
            } catch (CommitOutcomeUnknownException unknown) {
                // What the key is for: to ask again does no harm.
                System.out.println("key-" + number + " asked for again: " + unknown.getMessage());
            }
        }
    }

    static String work(Transaction tx, int number) throws SQLException {
        String result = UUID.randomUUID().toString();
        try (PreparedStatement insert = tx.connection().prepareStatement("INSERT INTO work VALUES (?, ?)")) {
            insert.setString(1, "key-" + number);
            insert.setString(2, result);
            insert.executeUpdate();
        }
        return result;
    }
}
