package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TakeUpReport;
import io.github.connecttransactretry.Transaction;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.TransactionRetryException;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.deadletter.TableDeadLetters;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionEvent.RetryScheduled;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import javax.sql.DataSource;

/**
 * Ten threads insert orders while another session alters the accounts table. Retried are PostgreSQL's own "cached plan must
 * not change result type" (0A000), and what Aurora DSQL says at COMMIT (OC000, OC001), for which a trigger stands in. Three
 * orders fail for good and become dead letters, which are taken up once their causes are mended. Then the load is repeated.
 */
final class OccDemo {

    static final int ORDERS = 120;
    /** Of an account that others keep changing, and of one that is not there. */
    static final int PLANNED_LETTERS = 3;

    private static final int THREADS = 10;
    private static final int ALTERATIONS = 6;
    private static final Duration BOUND = Duration.ofSeconds(30);

    /** The orders that were acknowledged up to now, and the orders in the table, each with its number. */
    record Verdict(List<Integer> acknowledged, List<Integer> inTable) {

        long doubled() {
            return inTable.size() - inTable.stream().distinct().count();
        }

        @Override
        public String toString() {
            boolean same = acknowledged.equals(inTable);
            return "verdict: orders acknowledged " + (same ? "=" : "ARE NOT") + " orders in the table ("
                    + acknowledged.size() + ", " + inTable.size() + "), " + doubled() + " doubled";
        }
    }

    /** What came of it: after the load, and after the dead letters were taken up and the load repeated. */
    record Result(Verdict loaded, Verdict repeated, Map<String, Integer> retries, int letters, TakeUpReport takenUp) {
    }

    private final DataSource pool;
    private final DataSource direct;
    private final PrintStream out;
    private final Map<String, Integer> retries = new ConcurrentSkipListMap<>();
    private final Set<Integer> acknowledged = new ConcurrentSkipListSet<>();

    /**
     * The demo in an empty database.
     *
     * @param pool   where the orders go, with {@code prepareThreshold=1}, so that the server keeps plans from the first use on
     * @param direct another way to the same database, for everything else
     */
    OccDemo(DataSource pool, DataSource direct, PrintStream out) {
        this.pool = pool;
        this.direct = direct;
        this.out = out;
    }

    Result run() throws Exception {
        OccDemoSchema.create(direct);
        CommitSchema.standard().install(direct);
        CommitLedger.standard().enable(direct);
        TableDeadLetters letters = new TableDeadLetters(direct);
        letters.install(direct);
        RetryPolicy policy = RetryPolicy.defaults()
                .withMaxAttempts(12)
                .withConflictBackoff(Backoff.exponential(Duration.ofMillis(1), Duration.ofMillis(50)).withFullJitter());
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool)
                .resolverDataSource(direct)
                .retryPolicy(policy)
                .deadLetters(letters)
                .listener(this::count)
                .build()) {
            loadWhileAltering(executor);
            Verdict loaded = verdict();
            int open = letters.open().size();
            out.println("the load has ended; retries " + retries + ", dead letters " + open + "\n" + loaded);
            OccDemoSchema.mend(direct);
            TakeUpReport takenUp = executor.takeUpAll(TransactionOptions.defaults(), letters,
                    (tx, letter) -> insert(tx, Integer.parseInt(letter.payload())));
            out.println("what made orders fail is mended; dead letters taken up: " + takenUp.done() + ", failed: "
                    + takenUp.failed().size());
            load(executor);
            Verdict repeated = verdict();
            out.println("the same load was repeated\n" + repeated);
            return new Result(loaded, repeated, Map.copyOf(retries), open, takenUp);
        }
    }

    private void count(TransactionEvent event) {
        if (event instanceof RetryScheduled retry) {
            String said = retry.failure().message();
            String kind = said.contains("(OC000)") ? "OC000" : said.contains("(OC001)") ? "OC001" : retry.failure().sqlState();
            retries.merge(kind, 1, Integer::sum);
        }
    }

    private void loadWhileAltering(ConnectTransactRetry executor) throws Exception {
        CompletableFuture<Void> altering = CompletableFuture.runAsync(() -> {
            for (int i = 1; i <= ALTERATIONS; i++) {
                int soMany = i * ORDERS / (ALTERATIONS + 2);
                Await.until(soMany + " orders", BOUND, () -> acknowledged.size() >= soMany);
                alter(i);
            }
        });
        load(executor);
        altering.join();
    }

    private void alter(int number) {
        try {
            Sql.execute(direct, "ALTER TABLE accounts ADD COLUMN note_" + number + " text");
            out.println("another session: ALTER TABLE accounts ADD COLUMN note_" + number);
        } catch (SQLException failed) {
            throw new IllegalStateException(failed);
        }
    }

    private void load(ConnectTransactRetry executor) throws InterruptedException, ExecutionException {
        Together.run(THREADS, thread -> {
            for (int order = thread; order < ORDERS; order += THREADS) {
                place(executor, order);
            }
        });
    }

    private void place(ConnectTransactRetry executor, int order) {
        TransactionOptions options = TransactionOptions.idempotencyKey("order-" + order)
                .withLabel("order")
                .withDeadLetter(Integer.toString(order));
        try {
            executor.execute(options, tx -> insert(tx, order));
            acknowledged.add(order);
        } catch (SQLException | TransactionRetryException failed) {
            out.println("order " + order + " failed: " + failed.getClass().getSimpleName());
        }
    }

    private static void insert(Transaction tx, int order) throws SQLException {
        int account = OccDemoSchema.accountOf(order);
        Connection connection = tx.connection();
        try (PreparedStatement select = connection.prepareStatement("SELECT * FROM accounts WHERE id = ?");
                PreparedStatement insert = connection.prepareStatement("INSERT INTO orders VALUES (?, ?)")) {
            select.setInt(1, account);
            select.executeQuery().close();
            insert.setInt(1, order);
            insert.setInt(2, account);
            insert.execute();
        }
    }

    private Verdict verdict() throws SQLException {
        String numbers = Sql.ask(direct, "SELECT string_agg(number::text, ',' ORDER BY number) FROM orders");
        return new Verdict(List.copyOf(acknowledged), Stream.of(numbers.split(",")).map(Integer::valueOf).toList());
    }
}
