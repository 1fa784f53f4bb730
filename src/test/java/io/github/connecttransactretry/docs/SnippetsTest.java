package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.CommitOutcomeUnknownException;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.RetriesExhaustedException;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.classify.ErrorClassifier;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import io.github.connecttransactretry.recovery.WaitingDataSource;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * Every Java snippet of README and docs, run on a real server. The text between {@code // snippet} and {@code // end} is what
 * stands there, as {@link DocsTest} checks.
 */
class SnippetsTest {

    private static PostgresServer server;
    private static DataSource dataSource;
    private static HikariDataSource hikari;
    private final List<String> log = new CopyOnWriteArrayList<>();
    private final int invoice = 4711;

    @BeforeAll
    static void launch() {
        server = PostgresServer.launch();
        PGSimpleDataSource plain = new PGSimpleDataSource();
        plain.setUrl(server.jdbcUrl());
        plain.setUser(PostgresServer.SUPERUSER);
        dataSource = plain;
        HikariConfig config = new HikariConfig();
        config.setDataSource(plain);
        config.setMaximumPoolSize(2);
        hikari = new HikariDataSource(config);
    }

    @AfterAll
    static void stop() {
        hikari.close();
        server.close();
    }

    @BeforeEach
    void tables() throws SQLException {
        sql("DROP TABLE IF EXISTS orders, accounts, receipts, invoices");
        sql("CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, customer text, amount int CHECK (amount >= 0))");
        sql("CREATE TABLE accounts (name text PRIMARY KEY, balance int NOT NULL)");
        sql("INSERT INTO accounts VALUES ('alice', 100), ('bob', 0)");
        sql("CREATE TABLE invoices (id int, xid text)");
        sql("CREATE TABLE receipts (xid text)");
    }

    @Test
    void firstScreen() throws SQLException {
        // snippet
        ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build();

        long orderId = executor.run(tx -> {
            try (PreparedStatement insert = tx.connection().prepareStatement(
                    "INSERT INTO orders (customer, amount) VALUES (?, ?) RETURNING id")) {
                insert.setString(1, "ada");
                insert.setInt(2, 42);
                try (ResultSet row = insert.executeQuery()) {
                    row.next();
                    return row.getLong(1);
                }
            }
        });
        // end
        executor.close();
        assertEquals(1, orderId);
        assertEquals(42, number("SELECT sum(amount) FROM orders"));
    }

    @Test
    void options() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(hikari).build()) {
            // snippet
            TransactionOptions transfer = TransactionOptions.serializable()
                    .withTimeout(Duration.ofSeconds(5))
                    .withLabel("transfer");
            executor.execute(transfer, tx -> {
                move(tx.connection(), "alice", "bob", 10);
                tx.afterCommit(() -> log.add("moved 10"));
            });
            // end
        }
        assertEquals(List.of("moved 10"), log);
        assertEquals(10, number("SELECT balance FROM accounts WHERE name = 'bob'"));
    }

    @Test
    void settings() throws SQLException {
        // snippet
        ConnectTransactRetry executor = ConnectTransactRetry.builder(hikari)
                .defaults(TransactionOptions.serializable().withTimeout(Duration.ofSeconds(10)))
                .retryPolicy(RetryPolicy.defaults().withMaxAttempts(20))
                .classifier(PostgresClassifier.standard().alsoRetrying("55P03"))
                .listener(event -> log.add(event.toString()))
                .build();
        // end
        String isolation = executor.run(tx -> text(tx.connection(), "SHOW transaction_isolation"));
        executor.close();
        assertEquals("serializable", isolation);
        assertTrue(log.get(0).startsWith("AttemptStarted"), log::toString);
    }

    @Test
    void inDoubt() throws SQLException {
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry executor = ConnectTransactRetry.builder(() -> DriverManager.getConnection(
                        server.jdbcUrl(proxy.port()), PostgresServer.SUPERUSER, "")).outcome(OutcomeMode.NONE).build()) {
            proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            // snippet
            try {
                executor.execute(tx -> pay(tx.connection(), invoice));
            } catch (CommitOutcomeUnknownException inDoubt) {
                // May be committed or not. Do not simply repeat it: keep the evidence, and ask again later.
                log.add("invoice " + invoice + " in doubt: " + inDoubt.evidence());
            }
            // end
        }
        assertEquals(1, log.size());
        assertEquals(1, number("SELECT count(*) FROM invoices"));
    }

    @Test
    void ownResolver() throws SQLException {
        // snippet
        CommitOutcomeResolver byReceipt = new CommitOutcomeResolver() {
            @Override
            public String name() {
                return "receipt";
            }

            @Override
            public CommitOutcome resolve(OutcomeQuestion question) throws SQLException {
                try (Statement look = question.connection().createStatement();
                        ResultSet row = look.executeQuery("SELECT 1 FROM receipts WHERE xid = '"
                                + question.evidence().transactionId() + "'")) {
                    // A row proves the commit. No row proves nothing: the COMMIT may still be on its way.
                    return row.next() ? new CommitOutcome.Committed("its receipt is there", null)
                            : new CommitOutcome.Unknown("no receipt");
                }
            }
        };
        ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource)
                .outcome(OutcomeMode.STATUS, byReceipt)
                .build();
        // end
        executor.close();
        try (WireProxy proxy = WireProxy.to(server.port());
                ConnectTransactRetry alone = ConnectTransactRetry.builder(() -> DriverManager.getConnection(
                        server.jdbcUrl(proxy.port()), PostgresServer.SUPERUSER, "")).resolvers(byReceipt).build()) {
            proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            alone.execute(tx -> {
                try (Statement s = tx.connection().createStatement()) {
                    s.execute("INSERT INTO receipts VALUES (pg_current_xact_id()::text)");
                }
            });
        }
        assertEquals(1, number("SELECT count(*) FROM receipts"));
    }

    @Test
    void savepoints() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build()) {
            // snippet
            int sum = executor.run(tx -> {
                try (Connection c = tx.connection(); Statement s = c.createStatement()) {
                    Savepoint before = c.setSavepoint();
                    try {
                        s.execute("INSERT INTO orders (customer, amount) VALUES ('ada', -1)");
                    } catch (SQLException refusedByCheck) {
                        c.rollback(before);
                    }
                    try (ResultSet row = s.executeQuery("SELECT coalesce(sum(amount), 0) FROM orders")) {
                        row.next();
                        return row.getInt(1);
                    }
                }
            });
            // end
            assertEquals(0, sum);
        }
    }

    @Test
    void hooks() throws SQLException {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build()) {
            // snippet
            executor.execute(tx -> {
                tx.afterCommit(() -> log.add("committed"));
                tx.afterRollback(() -> log.add("attempt " + tx.attempt() + " was rolled back"));
                tx.onUnknown(evidence -> log.add("in doubt: " + evidence));
                pay(tx.connection(), invoice);
            });
            // end
        }
        assertEquals(List.of("committed"), log);
    }

    @Test
    void policy() {
        // snippet
        RetryPolicy policy = RetryPolicy.defaults()
                .withMaxAttempts(10)
                .withConflictBackoff(Backoff.exponential(Duration.ofMillis(1), Duration.ofMillis(50)).withFullJitter())
                .withOutageBackoff(Backoff.fixed(Duration.ofMillis(200)).withEqualJitter());
        // end
        assertEquals(10, policy.maxAttempts());
        assertEquals(Duration.ofMillis(150), policy.outage().delay(1, Duration.ZERO, () -> 0.5));
    }

    @Test
    void ownClassifier() throws SQLException {
        // snippet
        ErrorClassifier lockTimeouts = failure -> "55P03".equals(failure.sqlState()) && failure.phase() == Phase.BODY
                ? Optional.of(Verdict.CONFLICT)
                : Optional.empty();
        ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource)
                .classifier(lockTimeouts)
                .build();
        // end
        executor.close();
        try (ConnectTransactRetry twice = ConnectTransactRetry.builder(dataSource).classifier(lockTimeouts)
                .retryPolicy(RetryPolicy.defaults().withMaxAttempts(2)).build()) {
            RetriesExhaustedException end = assertThrows(RetriesExhaustedException.class, () -> twice.execute(tx -> {
                throw new SQLException("canceling statement due to lock timeout", "55P03");
            }));
            assertEquals(2, end.failures().size());
        }
    }

    @Test
    void waiting() throws SQLException {
        String url = server.jdbcUrl();
        String user = PostgresServer.SUPERUSER;
        // snippet
        PGSimpleDataSource driver = new PGSimpleDataSource();
        driver.setUrl(url);
        driver.setUser(user);

        HikariConfig config = new HikariConfig();
        config.setMaximumPoolSize(10);
        config.setDataSource(new WaitingDataSource(driver, Duration.ofSeconds(30)));

        HikariDataSource pool = new HikariDataSource(config);
        ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).mostInPool(10).build();
        // end
        assertEquals("1", executor.run(tx -> text(tx.connection(), "SELECT 1")));
        executor.close();
        pool.close();
    }

    private static void move(Connection connection, String from, String to, int amount) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement("UPDATE accounts SET balance = balance + ? WHERE name = ?")) {
            update.setInt(1, -amount);
            update.setString(2, from);
            update.executeUpdate();
            update.setInt(1, amount);
            update.setString(2, to);
            update.executeUpdate();
        }
    }

    private static void pay(Connection connection, int invoice) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO invoices VALUES (?)")) {
            insert.setInt(1, invoice);
            insert.executeUpdate();
        }
    }

    private static void sql(String text) throws SQLException {
        try (Connection connection = server.connect(); Statement statement = connection.createStatement()) {
            statement.execute(text);
        }
    }

    private static int number(String query) throws SQLException {
        try (Connection connection = server.connect()) {
            return Integer.parseInt(text(connection, query));
        }
    }

    private static String text(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }
}
