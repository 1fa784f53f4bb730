package io.github.connecttransactretry.optimistic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.Isolation;
import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.chaos.Fault;
import io.github.connecttransactretry.chaos.FaultPlan;
import io.github.connecttransactretry.chaos.FaultyDataSource;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A versioned write whose COMMIT is in doubt: it is not taken for stale because of what its own attempt has committed. */
class VersionInDoubtTest {

    private static final VersionedTable ORDERS = VersionedTable.of("orders").key("id").version("version");

    private static TestDatabase database;

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch(Map.of("fsync", "off"));
        CommitSchema.standard().install(database.plain(""));
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    @BeforeEach
    void table() throws SQLException {
        database.execute("DROP TABLE IF EXISTS orders", "CREATE TABLE orders (id int PRIMARY KEY, version int, status text)",
                "INSERT INTO orders VALUES (1, 1, 'new')");
    }

    static Stream<Arguments> cases() {
        List<Arguments> all = new ArrayList<>();
        for (OutcomeMode mode : List.of(OutcomeMode.STATUS, OutcomeMode.LEDGER)) {
            for (Isolation isolation : List.of(Isolation.READ_COMMITTED, Isolation.REPEATABLE_READ, Isolation.SERIALIZABLE)) {
                all.add(Arguments.of(mode, isolation, Fault.LOSE_ANSWER, 1));
                all.add(Arguments.of(mode, isolation, Fault.CUT_BEFORE, 2));
                all.add(Arguments.of(mode, isolation, Fault.DELIVER_LATE, 2));
            }
        }
        return all.stream();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void theVersionThatItWroteItself(OutcomeMode mode, Isolation isolation, Fault fault, int attempts) throws SQLException {
        AtomicInteger calls = new AtomicInteger();
        try (FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), FaultPlan.script().atCommit(1, "orders", fault));
                ConnectTransactRetry engine = ConnectTransactRetry.builder(faulty).outcome(mode).build()) {
            VersionedRow paid = engine.run(TransactionOptions.defaults().withIsolation(isolation), tx -> {
                calls.incrementAndGet();
                return ORDERS.update(tx.connection(), 1, 1, Map.of("status", "paid"));
            });
            faulty.deliverLate();
            assertEquals(List.of(), faulty.notReached());
            assertEquals(2, paid.version());
        }
        assertEquals(attempts, calls.get());
        assertEquals("paid 2", database.ask("SELECT status || ' ' || version FROM orders"));
    }

    /** What a loop does that repeats the work when the answer to COMMIT is lost: it takes its own write for another's. */
    @Test
    void aLoopThatGuessesWouldCallItsOwnWriteStale() throws SQLException {
        StaleVersionException own = null;
        try (FaultyDataSource faulty =
                FaultyDataSource.wrap(database.plain(""), FaultPlan.script().atCommit(1, "orders", Fault.LOSE_ANSWER))) {
            for (int attempt = 1; attempt <= 2; attempt++) {
                try (Connection connection = faulty.getConnection()) {
                    connection.setAutoCommit(false);
                    ORDERS.update(connection, 1, 1, Map.of("status", "paid"));
                    connection.commit();
                } catch (StaleVersionException stale) {
                    own = stale;
                } catch (SQLException lost) {
                    assertEquals("08006", lost.getSQLState());
                }
            }
        }
        assertTrue(own != null && own.actual().equals(2), "the control saw no doubt: " + own);
    }
}
