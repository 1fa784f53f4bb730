package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.Turnarounds;
import io.github.connecttransactretry.ground.ConnectionSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Round trips counted on the wire, in two places: in the proxy by the protocol's messages, and at the client's socket by how
 * often it waits. (pgjdbc sends its own BEGIN as a message of its own, but together with the first statement.)
 */
@Tag("matrix")
class RoundTripTest {

    private static final int[] STATEMENTS = {0, 1, 3};

    /** Past pgjdbc's prepareThreshold of 5, after which it uses named statements. */
    private static final int PREPARED = 8;

    /** HikariCP asks a connection that was idle for longer whether it lives; that is the pool's round trip, not ours. */
    private static final String BYPASS = "com.zaxxer.hikari.aliveBypassWindowMs";

    private static final String COUNTED = "&" + Turnarounds.property();

    private static PostgresServer server;
    private static WireProxy proxy;
    private final List<String> table = new ArrayList<>();

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        proxy = WireProxy.to(server.port());
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
    @ValueSource(strings = {"simple", "extended", "extendedForPrepared", "extendedCacheEverything"})
    void ofEachModeOnAPooledConnection(String queryMode) {
        try (HikariDataSource pool = Pools.hikari(server, proxy.port(), 1,
                        config -> config.setJdbcUrl(config.getJdbcUrl() + COUNTED + "&preferQueryMode=" + queryMode));
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).build();
                ConnectTransactRetry unresolved = ConnectTransactRetry.builder(pool).outcome(OutcomeMode.NONE).build()) {
            TransactionOptions session = TransactionOptions.defaults();
            TransactionOptions serializable = TransactionOptions.serializable();
            TransactionOptions readOnly = TransactionOptions.readOnly();
            // Where BEGIN needs no message, a call without statements says nothing to the server at all.
            IntUnaryOperator one = k -> k == 0 ? 0 : k + 1;
            IntUnaryOperator two = k -> k == 0 ? 0 : k + 2;
            assertAll(Stream.of(
                    row("JDBC by hand", k -> byHand(pool, k, false), one),
                    row("JDBC by hand, setTransactionIsolation", k -> byHand(pool, k, true), k -> k == 0 ? 2 : k + 3),
                    row("outcome none", k -> write(unresolved, session, k), one),
                    row("outcome none, isolation per call", k -> write(unresolved, serializable, k), k -> k + 2),
                    row("read-only", k -> read(engine, readOnly, k), one),
                    row("read-only, isolation per call", k -> read(engine, readOnly.withIsolation(Isolation.SERIALIZABLE), k),
                            k -> k + 2),
                    row("transaction id", k -> write(engine, session, k), two),
                    row("transaction id, isolation per call", k -> write(engine, serializable, k), k -> k + 3),
                    row("transaction id at BEGIN", k -> write(engine, session.withEvidenceAtBegin(), k), k -> k + 2),
                    row("transaction id at BEGIN, isolation per call",
                            k -> write(engine, serializable.withEvidenceAtBegin(), k), k -> k + 2)));
        } finally {
            System.out.println("round trips with preferQueryMode=" + queryMode + ", PostgreSQL " + server.version() + "\n"
                    + String.join("\n", table));
        }
    }

    @Test
    void aNewPhysicalConnectionCostsOneMore() throws SQLException {
        ConnectionSource plain = Pools.plain(server.jdbcUrl(proxy.port()) + COUNTED);
        List<Connection> opened = new ArrayList<>(List.of(plain.open(), plain.open(), plain.open()));
        List<Long> counts = new ArrayList<>();
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder((ConnectionSource) () -> opened.remove(0)).build()) {
            for (int call = 0; call < 3; call++) {
                reset();
                write(engine, TransactionOptions.defaults(), 1);
                counts.add(roundTrips());
            }
        }
        System.out.println("round trips of calls with one statement, each on a new connection: " + counts);
        assertEquals(List.of(1 + 2 + 1 + 4L, 1 + 2 + 1L, 1 + 2 + 1L), counts,
                "one for a new connection, and four for the engine's first look at the server");
    }

    @Test
    void withoutEvidenceToTakeANewPhysicalConnectionCostsOneMoreToo() throws SQLException {
        ConnectionSource plain = Pools.plain(server.jdbcUrl(proxy.port()) + COUNTED);
        List<Connection> opened = new ArrayList<>(List.of(plain.open(), plain.open()));
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder((ConnectionSource) () -> opened.remove(0))
                .outcome(OutcomeMode.NONE).build()) {
            write(engine, TransactionOptions.defaults(), 1);
            reset();
            write(engine, TransactionOptions.defaults(), 1);
            assertEquals(1 + 1 + 1, roundTrips());
        }
    }

    private Executable row(String name, Counted counted, IntUnaryOperator expected) {
        return () -> {
            StringBuilder line = new StringBuilder(String.format("  %-46s", name));
            List<Long> measured = new ArrayList<>();
            List<Long> wanted = new ArrayList<>();
            for (int k : STATEMENTS) {
                long first = 0;
                for (int repetition = 1; repetition <= PREPARED; repetition++) {
                    reset();
                    counted.run(k);
                    // The first time the connection may be new; the second time nothing is prepared yet.
                    first = repetition == 2 ? roundTrips() : first;
                }
                measured.addAll(List.of(first, roundTrips()));
                wanted.addAll(List.of((long) expected.applyAsInt(k), (long) expected.applyAsInt(k)));
                line.append(" k=").append(k).append(": ").append(roundTrips());
            }
            table.add(line.toString());
            assertEquals(wanted, measured, name + ", for k = 0, 1, 3, each before and after statements are prepared by name");
        };
    }

    private void reset() {
        proxy.resetRoundTrips();
        Turnarounds.reset();
    }

    private long roundTrips() {
        assertEquals(Turnarounds.count(), proxy.roundTrips(), "what the proxy counted, and how often the client waited");
        return proxy.roundTrips();
    }

    private static void write(ConnectTransactRetry engine, TransactionOptions options, int statements) throws SQLException {
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

    private static void byHand(HikariDataSource pool, int statements, boolean isolation) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            if (isolation) {
                connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            }
            connection.setAutoCommit(false);
            inserts(connection, statements);
            connection.commit();
        }
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
