package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.fixtures.OneConnection;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.Turnarounds;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.IntUnaryOperator;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The round trips of calls that leave a row in the ledger, counted on the wire and at the client's socket alike. */
@Tag("matrix")
class LedgerRoundTripTest {

    private static final int[] STATEMENTS = {2, 3};

    /** Past pgjdbc's prepareThreshold of 5, after which it uses named statements. */
    private static final int PREPARED = 8;

    /** HikariCP asks a connection that was idle for longer whether it lives; that is the pool's round trip, not ours. */
    private static final String BYPASS = "com.zaxxer.hikari.aliveBypassWindowMs";

    private static final String COUNTED = "&" + Turnarounds.property();

    private static final CommitSchema ENABLED = new CommitSchema("enabled");

    private static PostgresServer server;
    private static WireProxy proxy;
    private static int keys;
    private final List<String> table = new ArrayList<>();

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        proxy = WireProxy.to(server.port());
        CommitSchema.standard().install(Pools.simple(server, server.port()));
        ENABLED.install(Pools.simple(server, server.port()));
        CommitLedger.in(ENABLED).enable(Pools.simple(server, server.port()));
        try (Connection connection = server.connect()) {
            connection.createStatement().execute("CREATE TABLE counted (n int)");
        }
    }

    @AfterAll
    static void close() {
        proxy.close();
        server.close();
    }

    @BeforeEach
    void trustPool() {
        System.setProperty(BYPASS, "600000");
    }

    @AfterEach
    void distrustPool() {
        System.clearProperty(BYPASS);
    }

    /** What is counted, for a number of statements. */
    private interface Counted {
        void run(int statements) throws SQLException;
    }

    @ParameterizedTest
    @CsvSource({"simple,pooled", "simple,plain", "extended,pooled", "extended,plain", "extendedForPrepared,pooled",
        "extendedForPrepared,plain", "extendedCacheEverything,pooled", "extendedCacheEverything,plain"})
    void ofEachModeOnAWarmConnection(String queryMode, String way) throws SQLException {
        String parameters = COUNTED + "&preferQueryMode=" + queryMode;
        if (way.equals("plain")) {
            try (Connection one = Pools.plain(server.jdbcUrl(proxy.port()) + parameters).open()) {
                measure(queryMode + ", " + way, () -> ConnectTransactRetry.builder(new OneConnection(one)));
            }
        } else {
            try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 1,
                    config -> config.setJdbcUrl(config.getJdbcUrl() + parameters))) {
                measure(queryMode + ", " + way, () -> ConnectTransactRetry.builder(pool));
            }
        }
    }

    private void measure(String title, Supplier<ConnectTransactRetryBuilder> engines) {
        try (ConnectTransactRetry ledger = engines.get().outcome(OutcomeMode.LEDGER).build();
                ConnectTransactRetry chain = engines.get().outcome(OutcomeMode.STATUS_THEN_LEDGER).build();
                ConnectTransactRetry enabled = engines.get().schema(ENABLED).build();
                ConnectTransactRetry notEnabled = engines.get().build();
                ConnectTransactRetry none = engines.get().outcome(OutcomeMode.NONE).build()) {
            TransactionOptions session = TransactionOptions.defaults();
            TransactionOptions serializable = TransactionOptions.serializable();
            List<Executable> rows = new ArrayList<>(List.of(
                    row("ledger", k -> write(ledger, session, k), k -> k + 1, 1),
                    row("ledger, isolation per call", k -> write(ledger, serializable, k), k -> k + 2, 1),
                    row("chain", k -> write(chain, session, k), k -> k + 2, 1),
                    row("chain, isolation per call", k -> write(chain, serializable, k), k -> k + 3, 1),
                    row("automatic, ledger enabled", k -> write(enabled, session, k), k -> k + 1, 1),
                    row("automatic, ledger enabled, isolation per call", k -> write(enabled, serializable, k), k -> k + 2, 1),
                    row("automatic, ledger not enabled", k -> write(notEnabled, session, k), k -> k + 2, 0),
                    row("outcome none", k -> write(none, session, k), k -> k + 1, 0),
                    row("read-only, of the ledger's engine", k -> read(ledger, TransactionOptions.readOnly(), k), k -> k + 1, 0),
                    row("read-only, of the chain's engine", k -> read(chain, TransactionOptions.readOnly(), k), k -> k + 1, 0)));
            rows.addAll(keyed("ledger", ledger));
            rows.addAll(keyed("chain", chain));
            rows.addAll(keyed("automatic, ledger enabled", enabled));
            assertAll(rows);
        } finally {
            System.out.println("round trips with preferQueryMode=" + title + ", PostgreSQL " + server.version() + "\n"
                    + String.join("\n", table));
        }
    }

    private List<Executable> keyed(String name, ConnectTransactRetry engine) {
        TransactionOptions session = TransactionOptions.defaults();
        TransactionOptions serializable = TransactionOptions.serializable();
        TransactionOptions taken = session.withIdempotencyKey(anotherKey());
        TransactionOptions claimedAndTaken = session.withIdempotencyKey(anotherKey().claimedFirst());
        return List.of(
                row(name + ", key", k -> write(engine, session.withIdempotencyKey(anotherKey()), k), k -> k + 2, 1),
                row(name + ", key, isolation per call",
                        k -> write(engine, serializable.withIdempotencyKey(anotherKey()), k), k -> k + 3, 1),
                // The look, and the COMMIT of a touch that makes what was found durable: whatever k is.
                row(name + ", key of a stored result", k -> write(engine, taken, k), k -> 3, 0),
                row(name + ", claimed key", k -> write(engine, session.withIdempotencyKey(anotherKey().claimedFirst()), k),
                        k -> k + 2, 1),
                // The claim names the isolation in its own message.
                row(name + ", claimed key, isolation per call",
                        k -> write(engine, serializable.withIdempotencyKey(anotherKey().claimedFirst()), k), k -> k + 2, 1),
                row(name + ", claimed key, nothing to keep",
                        k -> writeKeepingNothing(engine, session.withIdempotencyKey(barrenKey().claimedFirst()), k),
                        k -> k + 2, 1),
                // The claim that is refused, and its rollback, come before.
                row(name + ", claimed key of a stored result", k -> write(engine, claimedAndTaken, k), k -> 5, 0));
    }

    @Test
    void aNewPhysicalConnectionCostsOneMoreOnce() throws SQLException {
        ConnectionSource plain = Pools.plain(server.jdbcUrl(proxy.port()) + COUNTED);
        List<Connection> opened = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            opened.add(plain.open());
        }
        List<Long> counts = new ArrayList<>();
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder(new Rota(opened)).outcome(OutcomeMode.LEDGER).build()) {
            for (int call = 0; call < 6; call++) {
                reset();
                write(engine, TransactionOptions.defaults(), 2);
                counts.add(roundTrips());
            }
        } finally {
            for (Connection connection : opened) {
                connection.close();
            }
        }
        System.out.println("round trips of ledger calls with two statements, on three connections in turn: " + counts);
        assertEquals(List.of(2 + 1 + 1L, 2 + 1 + 1L, 2 + 1L, 2 + 1L, 2 + 1L), counts.subList(1, 6),
                "one for a new connection, once; the first call also looks at the server");
    }

    @ParameterizedTest
    @ValueSource(strings = {"simple", "extended", "extendedForPrepared", "extendedCacheEverything"})
    void theMessageThatClaimsAKeySetsTheIsolationToo(String queryMode) throws SQLException {
        try (Connection one = Pools.plain(server.jdbcUrl() + "&preferQueryMode=" + queryMode).open();
                ConnectTransactRetry engine = ConnectTransactRetry.builder(new OneConnection(one))
                        .outcome(OutcomeMode.LEDGER).build()) {
            for (int repetition = 0; repetition < PREPARED; repetition++) {
                TransactionOptions claimed = TransactionOptions.defaults().withIdempotencyKey(anotherKey().claimedFirst());
                assertEquals("serializable", engine.run(claimed.withIsolation(Isolation.SERIALIZABLE),
                        tx -> isolation(tx.connection())));
                claimed = claimed.withIdempotencyKey(anotherKey().claimedFirst());
                assertEquals("read committed", engine.run(claimed, tx -> isolation(tx.connection())));
            }
        }
    }

    private static String isolation(Connection connection) throws SQLException {
        try (Statement select = connection.createStatement(); ResultSet row = select.executeQuery("SHOW transaction_isolation")) {
            row.next();
            return row.getString(1);
        }
    }

    /** Hands out connections in turn. */
    private static final class Rota implements ConnectionSource {

        private final List<OneConnection> sources;
        private int next;

        Rota(List<Connection> connections) {
            sources = connections.stream().map(OneConnection::new).toList();
        }

        @Override
        public Connection open() {
            return sources.get(next++ % sources.size()).open();
        }
    }

    /** Each call is to leave so many rows in the ledger: what writes none is soon done. */
    private Executable row(String name, Counted counted, IntUnaryOperator expected, int ledgerRows) {
        return () -> {
            StringBuilder line = new StringBuilder(String.format("  %-58s", name));
            List<List<Long>> measured = new ArrayList<>();
            List<List<Long>> wanted = new ArrayList<>();
            // The first time the connection may be new to the engine, or the key not stored yet.
            counted.run(STATEMENTS[0]);
            long before = ledgerRows();
            for (int k : STATEMENTS) {
                long[] each = new long[PREPARED];
                for (int repetition = 0; repetition < PREPARED; repetition++) {
                    reset();
                    counted.run(k);
                    each[repetition] = roundTrips();
                }
                measured.add(Arrays.stream(each).boxed().toList());
                wanted.add(Collections.nCopies(PREPARED, (long) expected.applyAsInt(k)));
                line.append(" k=").append(k).append(": ").append(each[PREPARED - 1]);
            }
            table.add(line.toString());
            assertEquals(wanted, measured, name + ", for k = 2 and 3, before and after statements are prepared by name");
            assertEquals((long) ledgerRows * PREPARED * STATEMENTS.length, ledgerRows() - before, name + ", rows in the ledger");
        };
    }

    private static long ledgerRows() throws SQLException {
        try (Connection direct = server.connect(); Statement select = direct.createStatement();
                ResultSet row = select.executeQuery("SELECT (SELECT count(*) FROM connect_transact_retry.commit_ledger)"
                        + " + (SELECT count(*) FROM enabled.commit_ledger)")) {
            row.next();
            return row.getLong(1);
        }
    }

    private void reset() {
        proxy.resetRoundTrips();
        Turnarounds.reset();
    }

    private long roundTrips() {
        assertEquals(Turnarounds.count(), proxy.roundTrips(), "what the proxy counted, and how often the client waited");
        return proxy.roundTrips();
    }

    private static IdempotencyKey anotherKey() {
        return IdempotencyKey.of("key-" + ++keys).withResult(ResultCodec.text());
    }

    private static IdempotencyKey barrenKey() {
        return IdempotencyKey.of("key-" + ++keys);
    }

    private static void write(ConnectTransactRetry engine, TransactionOptions options, int statements) throws SQLException {
        String result = engine.run(options, tx -> {
            inserts(tx.connection(), statements);
            return "done";
        });
        assertEquals("done", result);
    }

    private static void writeKeepingNothing(ConnectTransactRetry engine, TransactionOptions options, int statements)
            throws SQLException {
        engine.execute(options, tx -> inserts(tx.connection(), statements));
    }

    private static void read(ConnectTransactRetry engine, TransactionOptions options, int statements) throws SQLException {
        engine.execute(options, tx -> {
            for (int i = 0; i < statements; i++) {
                try (PreparedStatement select = tx.connection().prepareStatement("SELECT count(*) FROM counted WHERE n = ?")) {
                    select.setInt(1, i);
                    try (ResultSet row = select.executeQuery()) {
                        row.next();
                    }
                }
            }
        });
    }

    private static void inserts(Connection connection, int statements) throws SQLException {
        for (int i = 0; i < statements; i++) {
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO counted VALUES (?)")) {
                insert.setInt(1, i);
                insert.executeUpdate();
            }
        }
    }
}
