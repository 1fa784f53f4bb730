package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Calls that only read: no evidence, any server, and a COMMIT whose answer hardly matters. */
@Tag("matrix")
class ReadOnlyCallTest {

    private static PostgresServer server;
    private static PostgresServer standby;
    private final RecordedEvents events = new RecordedEvents();

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect()) {
            connection.createStatement().execute("CREATE TABLE seen (n int); INSERT INTO seen VALUES (42)");
        }
        standby = server.startStandby("reader");
    }

    @AfterAll
    static void close() {
        standby.close();
        server.close();
    }

    /** What it saw stands, unless only the COMMIT says that it was consistent. */
    @ParameterizedTest
    @CsvSource({
        "SESSION, false, '', 1",
        "READ_COMMITTED, false, '', 1",
        "REPEATABLE_READ, false, '', 1",
        "SERIALIZABLE, true, '', 1",
        "SERIALIZABLE, false, '', 2",
        "SESSION, false, serializable, 2",
        "READ_COMMITTED, false, serializable, 1"})
    void anAmbiguousCommit(Isolation isolation, boolean deferrable, String ofTheSession, int attempts) throws SQLException {
        TransactionOptions options = deferrable ? TransactionOptions.defaults().asDeferrable()
                : TransactionOptions.readOnly().withIsolation(isolation);
        for (WireAction action : new WireAction[] {WireAction.CUT_BEFORE, WireAction.CUT_AFTER}) {
            try (WireProxy proxy = WireProxy.to(server.port())) {
                String url = server.jdbcUrl(proxy.port())
                        + (ofTheSession.isEmpty() ? "" : "&options=-c%20default_transaction_isolation=" + ofTheSession);
                proxy.script(WireScript.once(WireRequest::isCommit, action));
                try (ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(url)).listener(events).build()) {
                    int[] answer = engine.run(options, tx -> new int[] {value(tx.connection()), tx.attempt()});
                    assertEquals(42, answer[0]);
                    assertEquals(attempts, answer[1]);
                }
            }
        }
        assertEquals(0, events.of(OutcomeAsked.class).size());
    }

    @Test
    void areServedByAStandbyAndOthersAreNot() throws SQLException {
        Await.until("the standby to have what the primary has", Duration.ofSeconds(20), () -> {
            try (Connection connection = standby.connect()) {
                return value(connection) == 42;
            }
        });
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(standby, standby.port())).build()) {
            for (Isolation isolation : new Isolation[] {Isolation.SESSION, Isolation.READ_COMMITTED, Isolation.REPEATABLE_READ}) {
                int seen = engine.run(TransactionOptions.readOnly().withIsolation(isolation), tx -> {
                    assertEquals(1, tx.attempt());
                    return value(tx.connection());
                });
                assertEquals(42, seen);
            }
            TransactionOptions hurried = TransactionOptions.defaults().withTimeout(Duration.ofMillis(500));
            DeadlineExceededException thrown = assertThrows(DeadlineExceededException.class,
                    () -> engine.execute(hurried, tx -> value(tx.connection())));
            assertEquals(Verdict.STALE_SERVER, thrown.failures().get(0).verdict());
            assertTrue(thrown.getMessage().contains("standby"), thrown::getMessage);
        }
    }

    /** The server refuses at once: the deadline is not spent on what no other attempt mends. */
    @Test
    void serializableOnAStandbyIsReported() throws SQLException {
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(standby, standby.port())).build()) {
            TransactionFailedException thrown = assertThrows(TransactionFailedException.class, () -> engine.execute(
                    TransactionOptions.readOnly().withIsolation(Isolation.SERIALIZABLE), tx -> value(tx.connection())));
            assertEquals(1, thrown.failures().size());
        }
    }

    @Test
    void aDriverThatIgnoresReadOnlyIsRefused() {
        String url = server.jdbcUrl() + "&readOnlyMode=ignore";
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(url)).build()) {
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class,
                    () -> engine.execute(TransactionOptions.readOnly(), tx -> value(tx.connection())));
            assertTrue(refused.getMessage().contains("readOnlyMode=ignore"), refused::getMessage);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"always", "transaction"})
    void theServerKeepsOthersFromWriting(String mode) throws SQLException {
        String url = server.jdbcUrl() + "&readOnlyMode=" + mode;
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.plain(url)).build()) {
            SQLException refused = assertThrows(SQLException.class, () -> engine.execute(TransactionOptions.readOnly(),
                    tx -> tx.connection().createStatement().execute("INSERT INTO seen VALUES (43)")));
            assertEquals("25006", refused.getSQLState());
            for (String widening : new String[] {"SET TRANSACTION READ WRITE", "SET transaction_read_only = off"}) {
                SQLException gated = assertThrows(SQLException.class, () -> engine.execute(TransactionOptions.readOnly(), tx -> {
                    tx.connection().createStatement().execute(widening);
                    tx.connection().createStatement().execute("INSERT INTO seen VALUES (44)");
                }));
                assertTrue(gated.getMessage().contains("read-only call"), gated::getMessage);
            }
            assertEquals(42, engine.<Integer, SQLException>run(tx -> value(tx.connection())));
        }
    }

    private static int value(Connection connection) throws SQLException {
        try (ResultSet row = connection.createStatement().executeQuery("SELECT sum(n) FROM seen")) {
            row.next();
            return row.getInt(1);
        }
    }
}
