package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.Transaction;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.ConflictFigures;
import io.github.connecttransactretry.observe.ConflictReport;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The Java of docs/conflicts.md, run on a real server with real conflicts; prints the report that the page shows. */
class ConflictSnippetsTest {

    private static final int CALLERS = 8;
    private static final int CALLS_EACH = 40;

    private static TestDatabase database;
    private static HikariDataSource dataSource;

    private final StringBuilder log = new StringBuilder();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch(Map.of("deadlock_timeout", "20ms"));
        dataSource = database.pool(CALLERS, "");
        database.execute("CREATE TABLE account (id int PRIMARY KEY, balance int)",
                "INSERT INTO account SELECT i, 0 FROM generate_series(1, 4) i");
    }

    @AfterAll
    static void close() {
        dataSource.close();
        database.close();
    }

    @Test
    void report() throws SQLException {
        // snippet
        ConflictReport report = new ConflictReport();
        ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).listener(report).build();
        // end
        deadlock(executor);
        hammer(executor);
        // snippet
        log.append(report);
        long lost = report.figures().times();
        report.reset();
        // end
        System.out.println(log);
        assertTrue(lost > 1, log::toString);
        ConflictFigures figures = report.figures();
        assertEquals(0, figures.times());
        assertTrue(log.toString().contains("account") && log.toString().contains("40P01"), log::toString);
        executor.close();
    }

    private static void hammer(ConnectTransactRetry executor) {
        concurrently(CALLERS, caller -> {
            for (int i = 0; i < CALLS_EACH; i++) {
                int from = 1 + (caller + i) % 4;
                int to = 1 + (caller + i * 3 + 1) % 4;
                if (caller < 5) {
                    executor.execute(TransactionOptions.repeatableRead().withLabel("transfer"), tx -> {
                        run(tx, "UPDATE account SET balance = balance - 1 WHERE id = " + Math.min(from, to));
                        run(tx, "UPDATE account SET balance = balance + 1 WHERE id = " + Math.max(from, to));
                    });
                } else {
                    executor.execute(TransactionOptions.serializable().withLabel("interest"), tx -> {
                        run(tx, "SELECT sum(balance) FROM account");
                        run(tx, "UPDATE account SET balance = balance + 1 WHERE id = " + from);
                    });
                }
            }
        });
    }

    /** One call each of two labels, in opposite order; who is not the victim waits until the other has been told. */
    private static void deadlock(ConnectTransactRetry executor) {
        AtomicBoolean[] holds = {new AtomicBoolean(), new AtomicBoolean()};
        AtomicBoolean over = new AtomicBoolean();
        concurrently(2, caller -> {
            executor.execute(TransactionOptions.defaults().withLabel(caller == 0 ? "payout" : "booking"), tx -> {
                if (tx.attempt() > 1) {
                    Await.until("the other is through", Duration.ofSeconds(20), over::get);
                }
                run(tx, "UPDATE account SET balance = balance + 1 WHERE id = " + (1 + caller));
                holds[caller].set(true);
                Await.until("both hold one", Duration.ofSeconds(20), () -> holds[0].get() && holds[1].get());
                run(tx, "UPDATE account SET balance = balance + 1 WHERE id = " + (2 - caller));
            });
            over.set(true);
        });
    }

    private interface Work {
        void of(int caller) throws SQLException;
    }

    private static void concurrently(int callers, Work work) {
        ExecutorService threads = Executors.newFixedThreadPool(callers);
        try {
            CompletableFuture.allOf(IntStream.range(0, callers).mapToObj(caller -> CompletableFuture.runAsync(() -> {
                try {
                    work.of(caller);
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            }, threads)).toArray(CompletableFuture[]::new)).join();
        } finally {
            threads.shutdownNow();
        }
    }

    private static void run(Transaction tx, String sql) throws SQLException {
        try (Statement statement = tx.connection().createStatement()) {
            statement.execute(sql);
        }
    }
}
