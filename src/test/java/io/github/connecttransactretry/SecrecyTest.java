package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A wrong password is reported at once, and no password, right or wrong, gets into any text, with all loggers wide open; nor
 * do the user's values.
 */
class SecrecyTest {

    private static final String USER = "teller";
    private static final String RIGHT = "Right-Horse-4711";
    private static final String WRONG = "Wrong-Staple-0815";
    private static final TransactionOptions BRIEF = TransactionOptions.defaults().withTimeout(Duration.ofMillis(300));

    private static final List<HikariDataSource> POOLS = new ArrayList<>();

    private static TestDatabase database;

    private final RecordedEvents events = new RecordedEvents();
    private List<CapturedLog> logs;

    private enum Source {
        PLAIN {
            @Override
            ConnectTransactRetryBuilder builder(String url, String password) {
                PGSimpleDataSource plain = new PGSimpleDataSource();
                plain.setUrl(url);
                plain.setUser(USER);
                plain.setPassword(password);
                return ConnectTransactRetry.builder(plain);
            }
        },
        PLAIN_BY_URL {
            @Override
            ConnectTransactRetryBuilder builder(String url, String password) {
                PGSimpleDataSource plain = new PGSimpleDataSource();
                plain.setUrl(withPassword(url, password));
                return ConnectTransactRetry.builder(plain);
            }
        },
        DRIVER_BY_URL {
            @Override
            ConnectTransactRetryBuilder builder(String url, String password) {
                return ConnectTransactRetry.builder((ConnectionSource) () -> DriverManager.getConnection(withPassword(url, password)));
            }
        },
        POOL {
            @Override
            ConnectTransactRetryBuilder builder(String url, String password) {
                HikariConfig config = lazy(url);
                config.setUsername(USER);
                config.setPassword(password);
                return pooled(config);
            }
        },
        POOL_BY_URL {
            @Override
            ConnectTransactRetryBuilder builder(String url, String password) {
                return pooled(lazy(withPassword(url, password)));
            }
        };

        abstract ConnectTransactRetryBuilder builder(String url, String password);

        private static ConnectTransactRetryBuilder pooled(HikariConfig config) {
            HikariDataSource pool = new HikariDataSource(config);
            POOLS.add(pool);
            return ConnectTransactRetry.builder(pool);
        }

        private static HikariConfig lazy(String url) {
            HikariConfig config = new HikariConfig();
            config.setJdbcUrl(url);
            config.setMaximumPoolSize(1);
            config.setConnectionTimeout(400);
            config.setInitializationFailTimeout(-1);
            return config;
        }

        private static String withPassword(String url, String password) {
            return url + "&user=" + USER + "&password=" + password;
        }
    }

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        database.server().requirePassword(USER, RIGHT);
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    @BeforeEach
    void openTheLoggers() {
        logs = List.of(CapturedLog.of("ROOT", Level.TRACE), CapturedLog.ofLibrary(Level.TRACE),
                CapturedLog.of("com.zaxxer.hikari", Level.TRACE));
    }

    @AfterEach
    void closeTheLoggers() {
        POOLS.forEach(HikariDataSource::close);
        POOLS.clear();
        logs.forEach(CapturedLog::close);
    }

    private String everythingTold(Throwable thrown) {
        StringWriter text = new StringWriter();
        if (thrown != null) {
            thrown.printStackTrace(new PrintWriter(text, true));
        }
        if (thrown instanceof TransactionRetryException) {
            text.append(((TransactionRetryException) thrown).failures().toString());
        }
        text.append(events.all().toString());
        logs.forEach(log -> text.append(log.text()));
        return text.toString();
    }

    private void assertKeepsSecrets(Throwable thrown) {
        String told = everythingTold(thrown);
        assertTrue(told.contains("AttemptStarted"), "the listener or the log is not connected");
        for (String secret : List.of(RIGHT, WRONG)) {
            int at = told.indexOf(secret);
            assertFalse(at >= 0, () -> "told: ..." + told.substring(Math.max(0, at - 200), at + secret.length()));
        }
    }

    @ParameterizedTest
    @EnumSource
    void aWrongPasswordIsReportedAtTheFirstAnswer(Source source) {
        try (ConnectTransactRetry executor = source.builder(database.url(""), WRONG).listener(events).build()) {
            TransactionFailedException failed = assertThrows(TransactionFailedException.class, () -> executor.run(Transaction::attempt));
            assertTrue(failed.getMessage().contains("28P01") && failed.getMessage().contains(USER), failed::getMessage);
            List<AttemptFailure> failures = failed.failures();
            assertEquals(Phase.CONNECT, failures.get(0).phase());
            if (source.name().startsWith("POOL")) {
                // HikariCP answers when its own time is over, and on a busy machine it may not have heard from the server by then.
                assertTrue(failures.subList(0, failures.size() - 1).stream().allMatch(f -> f.sqlState() == null), failures::toString);
            } else {
                assertEquals(1, failures.size(), "not at once");
            }
            assertKeepsSecrets(failed);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aServerThatIsAwayMakesNobodyTell(Source source) throws Exception {
        String nowhere;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            nowhere = database.server().jdbcUrl(free.getLocalPort());
        }
        try (ConnectTransactRetry executor = source.builder(nowhere, RIGHT).listener(events).build()) {
            assertKeepsSecrets(assertThrows(DeadlineExceededException.class, () -> executor.run(BRIEF, Transaction::attempt)));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"PLAIN_BY_URL", "POOL_BY_URL", "POOL"})
    void aCommitInDoubtMakesNobodyTell(Source source) throws SQLException {
        try (WireProxy proxy = WireProxy.to(database.server().port())) {
            proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            String url = database.server().jdbcUrl(proxy.port());
            try (ConnectTransactRetry executor = source.builder(url, RIGHT).listener(events).build()) {
                executor.execute(this::begin);
                assertTrue(everythingTold(null).contains("OutcomeResolved"), "there was no doubt to tell of");
                assertKeepsSecrets(null);
            }
            proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            try (ConnectTransactRetry executor = source.builder(url, RIGHT).outcome(OutcomeMode.NONE).listener(events).build()) {
                assertKeepsSecrets(assertThrows(CommitOutcomeUnknownException.class, () -> executor.execute(this::begin)));
            }
        }
    }

    private void begin(Transaction tx) throws SQLException {
        try (Statement statement = tx.connection().createStatement()) {
            statement.execute("SELECT 1");
        }
    }

    /** pgjdbc's BatchUpdateException quotes the statement with its values, and the server's detail quotes the row. */
    @Test
    void aRetriedBatchMakesNobodyTellItsValues() throws SQLException {
        String value = "value-of-the-users";
        database.execute("CREATE TABLE card(n text PRIMARY KEY)", "INSERT INTO card VALUES ('" + value + "')");
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(database.plain("")).listener(events)
                .retryPolicy(RetryPolicy.defaults().withMaxAttempts(2))
                .classifier(PostgresClassifier.standard().alsoRetrying("23505")).build()) {
            RetriesExhaustedException exhausted = assertThrows(RetriesExhaustedException.class,
                    () -> executor.execute(TransactionOptions.serializable(), tx -> {
                        try (PreparedStatement insert = tx.connection().prepareStatement("INSERT INTO card VALUES (?)")) {
                            insert.setString(1, value);
                            insert.addBatch();
                            insert.executeBatch();
                        }
                    }));
            assertTrue(exhausted.getCause().getMessage().contains(value), "nothing to hide");
            assertTrue(exhausted.getMessage().contains("duplicate key value"), exhausted::getMessage);
            String told = exhausted.getMessage() + exhausted.failures() + everythingTold(null);
            assertFalse(told.contains(value), told);
        }
    }

    /** The JDK quotes the whole URL in an exception of its own, which is the cause; what the engine says and logs leaves it out. */
    @ParameterizedTest
    @ValueSource(strings = {"jdbc:postgre://127.0.0.1/x?user=teller&password=" + WRONG + "&ssl=false",
        "postgresql://teller:" + WRONG + "@127.0.0.1/x", "jdbc:postgre://127.0.0.1/x?PASSWORD=" + WRONG})
    void aUrlThatNobodyUnderstandsIsNotPassedOn(String url) {
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder((ConnectionSource) () -> DriverManager.getConnection(url))
                .listener(events).build()) {
            DeadlineExceededException overdue =
                    assertThrows(DeadlineExceededException.class, () -> executor.run(BRIEF, Transaction::attempt));
            assertTrue(overdue.getMessage().contains("No suitable driver") && overdue.getMessage().contains("127.0.0.1/x"),
                    overdue::getMessage);
            // The cause may be of an attempt that the end of the call's time cut short.
            SQLException quoting = assertThrows(SQLException.class, () -> DriverManager.getConnection(url));
            assertTrue(quoting.getMessage().contains(WRONG), "nothing to hide");
            String told = overdue.getMessage() + overdue.failures() + everythingTold(null);
            assertFalse(told.contains(WRONG), told);
        }
    }

    @Test
    void theWordsOfAnEngineNameNoPassword() {
        try (ConnectTransactRetry executor = Source.POOL.builder(database.url(""), RIGHT).listener(events).build()) {
            assertTrue(executor.<Integer, RuntimeException>run(Transaction::attempt) >= 1);
            String words = executor + " " + events.all() + " " + TransactionOptions.defaults();
            assertFalse(words.contains(RIGHT), words);
        }
    }
}
