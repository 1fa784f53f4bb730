package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.fixtures.OneConnection;
import io.github.connecttransactretry.fixtures.Pools;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.TransactionState;

/** A connection goes back as it came: not every pool looks after that. */
class PutBackTest {

    private static final int SHORT_TIMEOUT = 12_345;

    private static PostgresServer server;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect()) {
            connection.createStatement().execute("CREATE TABLE written (n int)");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    /** What a connection can be like. */
    private record Likeness(boolean autoCommit, int isolation, boolean readOnly, int networkTimeout, TransactionState state) {

        static Likeness of(Connection connection) throws SQLException {
            return new Likeness(connection.getAutoCommit(), connection.getTransactionIsolation(), connection.isReadOnly(),
                    connection.getNetworkTimeout(), connection.unwrap(BaseConnection.class).getTransactionState());
        }

        void dress(Connection connection) throws SQLException {
            connection.setReadOnly(readOnly);
            connection.setTransactionIsolation(isolation);
            connection.setNetworkTimeout(Runnable::run, networkTimeout);
            connection.setAutoCommit(autoCommit);
        }
    }

    static Stream<Likeness> likenesses() {
        return Stream.of(
                new Likeness(true, Connection.TRANSACTION_READ_COMMITTED, false, 0, TransactionState.IDLE),
                new Likeness(false, Connection.TRANSACTION_READ_COMMITTED, false, SHORT_TIMEOUT, TransactionState.IDLE),
                new Likeness(true, Connection.TRANSACTION_REPEATABLE_READ, true, SHORT_TIMEOUT, TransactionState.IDLE),
                new Likeness(false, Connection.TRANSACTION_SERIALIZABLE, true, 0, TransactionState.IDLE));
    }

    @ParameterizedTest
    @MethodSource("likenesses")
    void aSingleReusedConnectionIsAsItWas(Likeness before) throws SQLException {
        try (Connection plain = server.connect()) {
            before.dress(plain);
            OneConnection source = new OneConnection(plain);
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(source).build()) {
                List<TransactionOptions> all = List.of(TransactionOptions.defaults(), TransactionOptions.readOnly(),
                        TransactionOptions.serializable(), TransactionOptions.repeatableRead().withEvidenceAtBegin(),
                        TransactionOptions.defaults().asDeferrable());
                for (TransactionOptions options : all) {
                    for (Runnable ending : endings(engine, options)) {
                        ending.run();
                        assertEquals(source.lent(), source.returned());
                        // Asking for the isolation level begins a transaction where autocommit is off.
                        assertEquals(TransactionState.IDLE, plain.unwrap(BaseConnection.class).getTransactionState());
                        assertEquals(before, likenessOutsideATransaction(plain), options::toString);
                    }
                }
            }
            assertEquals(25, source.lent());
        }
    }

    private static Likeness likenessOutsideATransaction(Connection plain) throws SQLException {
        Likeness seen = Likeness.of(plain);
        if (!seen.autoCommit()) {
            plain.rollback();
        }
        return new Likeness(seen.autoCommit(), seen.isolation(), seen.readOnly(), seen.networkTimeout(), TransactionState.IDLE);
    }

    /** Committed, nothing done, rolled back by wish, failed in the function, failed in a statement. */
    private static List<Runnable> endings(ConnectTransactRetry engine, TransactionOptions options) {
        return List.of(
                () -> run(engine, options, tx -> select(tx, "SELECT 1")),
                () -> run(engine, options, tx -> { }),
                () -> run(engine, options, tx -> {
                    select(tx, "SELECT 1");
                    tx.connection().setNetworkTimeout(Runnable::run, 777);
                    tx.rollbackOnly();
                }),
                () -> assertThrows(IllegalStateException.class, () -> run(engine, options, tx -> {
                    select(tx, "SELECT 1");
                    throw new IllegalStateException("the function's own");
                })),
                () -> assertThrows(AssertionError.class, () -> run(engine, options, tx -> select(tx, "SELECT 1 / 0"))));
    }

    private static void run(ConnectTransactRetry engine, TransactionOptions options, TransactionalAction<SQLException> action) {
        try {
            engine.execute(options, action);
        } catch (SQLException thrown) {
            throw new AssertionError(thrown);
        }
    }

    private static void select(Transaction tx, String sql) throws SQLException {
        try (ResultSet row = tx.connection().createStatement().executeQuery(sql)) {
            row.next();
        }
    }

    @ParameterizedTest
    @MethodSource("likenesses")
    void aPooledConnectionIsAsThePoolSetItUp(Likeness likeness) throws SQLException {
        try (HikariDataSource pool = Pools.hikari(server, server.port(), 1, config -> {
            config.setAutoCommit(likeness.autoCommit());
            config.setReadOnly(likeness.readOnly());
        })) {
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build()) {
                for (Runnable ending : endings(engine, TransactionOptions.serializable())) {
                    ending.run();
                    assertAsSetUp(pool, likeness);
                }
                engine.execute(TransactionOptions.readOnly(), tx -> select(tx, "SELECT 1"));
                assertAsSetUp(pool, likeness);
                engine.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (1)"));
                assertAsSetUp(pool, likeness);
            }
        }
    }

    private static void assertAsSetUp(HikariDataSource pool, Likeness likeness) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            assertEquals(likeness.autoCommit(), connection.getAutoCommit());
            assertEquals(likeness.readOnly(), connection.isReadOnly());
            assertEquals(0, connection.getNetworkTimeout());
            assertEquals(TransactionState.IDLE, connection.unwrap(BaseConnection.class).getTransactionState());
            assertEquals(Connection.TRANSACTION_READ_COMMITTED, connection.getTransactionIsolation());
        }
    }

    /** The watchdog of a call that is over must not bite the next borrower. */
    @Test
    void aDeadlineThatComesAfterTheCallDoesNotTouchTheConnection() throws SQLException {
        try (Connection plain = server.connect()) {
            Duration timeout = Duration.ofMillis(300);
            long over = System.nanoTime() + 2 * timeout.toNanos();
            OneConnection source = new OneConnection(plain);
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(source).build()) {
                TransactionOptions options = TransactionOptions.defaults().withTimeout(timeout);
                engine.execute(options, tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (2)"));
                engine.execute(options, tx -> { });
                assertThrows(IllegalStateException.class, () -> engine.execute(options, tx -> {
                    throw new IllegalStateException("the function's own");
                }));
                Await.until("the deadlines to pass", Duration.ofSeconds(5), () -> System.nanoTime() > over);
                assertTrue(plain.isValid(5), "the connection lives");
            }
        }
    }

    @Test
    void aPoolWithAutoCommitOffWorks() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(server, server.port(), 2, config -> config.setAutoCommit(false));
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build()) {
            int before = rows();
            engine.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (3)"));
            assertThrows(IllegalStateException.class, () -> engine.execute(tx -> {
                tx.connection().createStatement().execute("INSERT INTO written VALUES (4)");
                throw new IllegalStateException("the function's own");
            }));
            assertEquals(before + 1, rows());
        }
    }

    @Test
    void aPoolThatHandsOutOpenTransactionsIsRefusedWhenTheEngineIsBuilt() {
        for (String setting : List.of("connectionTestQuery", "connectionInitSql")) {
            try (HikariDataSource pool = Pools.hikari(server, server.port(), 1, config -> {
                config.setAutoCommit(false);
                if (setting.equals("connectionTestQuery")) {
                    config.setConnectionTestQuery("SELECT 1");
                } else {
                    config.setConnectionInitSql("SET work_mem = '8MB'");
                }
            })) {
                IllegalArgumentException refused = assertThrows(IllegalArgumentException.class,
                        () -> ConnectTransactRetry.builder(pool).build());
                assertTrue(refused.getMessage().contains("autoCommit") && refused.getMessage().contains(setting),
                        refused::getMessage);
            }
        }
    }

    /** The same settings do no harm where the pool commits its own queries. */
    @Test
    void aPoolWithATestQueryAndAutoCommitWorks() throws SQLException {
        try (HikariDataSource pool = Pools.hikari(server, server.port(), 1, config -> {
            config.setConnectionTestQuery("SELECT 1");
            config.setConnectionInitSql("SET work_mem = '8MB'");
        }); ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build()) {
            int before = rows();
            engine.execute(tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (5)"));
            assertEquals(before + 1, rows());
        }
    }

    @Test
    void anUnknownPoolThatHandsOutAnOpenTransactionIsRefusedWhenItDoes() throws SQLException {
        try (Connection plain = server.connect()) {
            int before = rows();
            plain.setAutoCommit(false);
            plain.createStatement().execute("INSERT INTO written VALUES (6)");
            OneConnection source = new OneConnection(plain);
            DataSource unknown = Pools.asDataSource(source);
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(unknown).build()) {
                TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> engine.execute(
                        tx -> tx.connection().createStatement().execute("INSERT INTO written VALUES (7)")));
                assertTrue(refused.getMessage().contains("transaction open"), refused::getMessage);
            }
            assertEquals(source.lent(), source.returned());
            assertEquals(TransactionState.OPEN, plain.unwrap(BaseConnection.class).getTransactionState(),
                    "the outer transaction is its owner's");
            plain.commit();
            assertEquals(before + 1, rows());
        }
    }

    private static int rows() throws SQLException {
        try (Connection connection = server.connect();
                ResultSet row = connection.createStatement().executeQuery("SELECT count(*) FROM written")) {
            row.next();
            return row.getInt(1);
        }
    }
}
