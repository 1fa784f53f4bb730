package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.observe.AttemptFailure;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.h2.jdbcx.JdbcDataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

/** What a DataSource or ConnectionSource may hand out instead of an idle connection of PostgreSQL. */
class HandedOutConnectionTest {

    private static final TransactionOptions BRIEF = TransactionOptions.defaults().withTimeout(Duration.ofMillis(600));

    private static TestDatabase database;

    private final RecordedEvents events = new RecordedEvents();
    private final AtomicInteger runs = new AtomicInteger();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect(what text)");
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    @BeforeEach
    void empty() throws SQLException {
        database.execute("TRUNCATE effect");
    }

    private <X extends Exception> X refused(Class<X> type, ConnectTransactRetryBuilder builder, String... words) {
        try (ConnectTransactRetry executor = builder.listener(events).build()) {
            X thrown = assertThrows(type, () -> executor.run(BRIEF, tx -> runs.incrementAndGet()));
            for (String word : words) {
                assertTrue(thrown.getMessage().contains(word), () -> "\"" + thrown.getMessage() + "\" does not say " + word);
            }
            assertEquals(0, runs.get());
            return thrown;
        }
    }

    @Test
    void nobodyListensThere() throws IOException {
        PGSimpleDataSource nowhere = database.plain("");
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            nowhere.setUrl(database.server().jdbcUrl(free.getLocalPort()));
        }
        DeadlineExceededException overdue = refused(DeadlineExceededException.class, ConnectTransactRetry.builder(nowhere),
                "time was over", "CONNECT 08001", "refused");
        assertEquals("08001", overdue.failures().get(0).sqlState());
        assertTrue(overdue.failures().size() >= 2, "it is tried again until the deadline");
        for (AttemptFailure failure : overdue.failures()) {
            assertEquals(Phase.CONNECT, failure.phase());
        }
    }

    @Test
    void anotherDatabasesConnection() throws SQLException {
        JdbcDataSource h2 = new JdbcDataSource();
        h2.setUrl("jdbc:h2:mem:foreign");
        try (Connection keepsItAlive = h2.getConnection()) {
            TransactionRefusedException refused = refused(TransactionRefusedException.class, ConnectTransactRetry.builder(h2),
                    "org.h2.jdbc.JdbcConnection", "org.postgresql", "give it connections of pgjdbc");
            assertEquals(1, refused.failures().size());
            assertEquals(Phase.CONNECT, refused.failures().get(0).phase());
            try (Statement statement = keepsItAlive.createStatement();
                    var sessions = statement.executeQuery("SELECT count(*) FROM information_schema.sessions")) {
                sessions.next();
                assertEquals(1, sessions.getInt(1), "the foreign connection was not closed");
            }
        }
    }

    @Test
    void aConnectionInAnOuterTransactionIsRefusedAndTheOuterOneGoesOn() throws SQLException {
        for (boolean failed : new boolean[] {false, true}) {
            empty();
            try (Connection outer = database.server().connect(); Statement statement = outer.createStatement()) {
                outer.setAutoCommit(false);
                statement.execute("INSERT INTO effect VALUES ('outer')");
                var savepoint = outer.setSavepoint();
                if (failed) {
                    assertThrows(SQLException.class, () -> statement.execute("SELECT 1/0"));
                }
                for (ConnectionSource source : new ConnectionSource[] {() -> outer, () -> withoutClose(outer)}) {
                    refused(TransactionRefusedException.class, ConnectTransactRetry.builder(source), "transaction open", "outer",
                            "not joined", "run the engine outside other transactions");
                    assertFalse(outer.isClosed());
                }
                if (failed) {
                    outer.rollback(savepoint);
                }
                outer.commit();
            }
            assertEquals("outer", database.ask("SELECT string_agg(what, ',') FROM effect"), "the outer transaction was harmed");
        }
    }

    /** As Spring's TransactionAwareDataSourceProxy does inside a transaction. */
    private static Connection withoutClose(Connection real) {
        return (Connection) Proxy.newProxyInstance(HandedOutConnectionTest.class.getClassLoader(), new Class<?>[] {Connection.class},
                (proxy, method, args) -> {
                    if (method.getName().equals("close")) {
                        return null;
                    }
                    try {
                        return method.invoke(real, args);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    /** BEGIN by hand, and the connection given back without an end: the trap of pools with autocommit on. */
    @Test
    void aLeakedTransactionOfThePoolIsRefused() throws SQLException {
        try (HikariDataSource pool = database.pool(1, "")) {
            try (Connection leaky = pool.getConnection(); Statement statement = leaky.createStatement()) {
                statement.execute("BEGIN");
                statement.execute("INSERT INTO effect VALUES ('leaked')");
            }
            refused(TransactionRefusedException.class, ConnectTransactRetry.builder(pool), "transaction open", "leaked");
            assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
        }
        assertEquals(0, database.count("effect"), "it was joined");
    }

    @Test
    void aClosedConnectionIsTriedAgainAndAGoodOneTaken() throws SQLException {
        AtomicInteger asked = new AtomicInteger();
        ConnectionSource firstClosed = () -> {
            Connection connection = database.server().connect();
            if (asked.incrementAndGet() == 1) {
                connection.close();
            }
            return connection;
        };
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(firstClosed).build()) {
            assertEquals(2, executor.<Integer, RuntimeException>run(Transaction::attempt));
        }
        ConnectionSource alwaysClosed = () -> {
            Connection connection = database.server().connect();
            connection.close();
            return connection;
        };
        refused(DeadlineExceededException.class, ConnectTransactRetry.builder(alwaysClosed), "08003",
                "closed already when it was handed out");
    }

    @Test
    void noConnectionAtAll() {
        String[] words = {"returned null instead of a connection", "SQLException when it has none"};
        TransactionFailedException failed =
                refused(TransactionFailedException.class, ConnectTransactRetry.builder((ConnectionSource) () -> null), words);
        assertEquals(1, failed.failures().size(), "at once");
        refused(TransactionFailedException.class,
                ConnectTransactRetry.builder((ConnectionSource) () -> null).connectOnCallerThread(), words);
    }

    @Test
    void aSourceThatThrows() {
        IllegalStateException own = new IllegalStateException("not configured");
        for (boolean onCaller : new boolean[] {false, true}) {
            ConnectTransactRetryBuilder builder = ConnectTransactRetry.builder((ConnectionSource) () -> {
                throw own;
            });
            TransactionFailedException failed = refused(TransactionFailedException.class,
                    onCaller ? builder.connectOnCallerThread() : builder, "CONNECT failed", "not configured");
            assertEquals(own, failed.getCause());
            assertEquals(0, own.getSuppressed().length);
        }
    }

    @Test
    void aPoolThatIsClosed() {
        HikariDataSource pool = database.pool(1, "");
        pool.close();
        TransactionFailedException failed =
                refused(TransactionFailedException.class, ConnectTransactRetry.builder(pool), "CONNECT failed", "has been closed");
        assertEquals(1, failed.failures().size());
    }

    @Test
    void aMisspeltUrl() {
        DeadlineExceededException overdue = refused(DeadlineExceededException.class,
                ConnectTransactRetry.builder((ConnectionSource) () -> DriverManager.getConnection("jdbc:postgre://127.0.0.1/x")),
                "No suitable driver");
        assertInstanceOf(SQLException.class, overdue.getCause());
    }

    /** Whatever wraps it: what counts is that pgjdbc's connection can be unwrapped. */
    @Test
    void aWrappedConnectionOfPgjdbcIsTaken() throws SQLException {
        DataSource plain = database.plain("");
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder((ConnectionSource) () -> withoutClose(plain.getConnection()))
                .build()) {
            assertEquals(1, executor.<Integer, SQLException>run(tx -> {
                try (Statement statement = tx.connection().createStatement()) {
                    return statement.executeUpdate("INSERT INTO effect VALUES ('wrapped')");
                }
            }));
        }
        assertEquals(1, database.count("effect"));
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle' AND pid <> pg_backend_pid()");
    }
}
