package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitOutcomeUnknownException;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.chaos.ExactlyOnce;
import io.github.connecttransactretry.chaos.Fault;
import io.github.connecttransactretry.chaos.FaultDone;
import io.github.connecttransactretry.chaos.FaultPlan;
import io.github.connecttransactretry.chaos.FaultyDataSource;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The Java of docs/chaos.md, run on a real server; see {@link SnippetsTest}. */
class ChaosSnippetsTest {

    private static TestDatabase database;
    private static DataSource dataSource;

    private final List<String> notebook = new ArrayList<>();

    @BeforeAll
    static void launch() throws SQLException {
        database = TestDatabase.launch();
        dataSource = database.plain("");
        database.execute("CREATE TABLE orders (reference text)");
    }

    @AfterAll
    static void close() {
        database.close();
    }

    @Test
    void ordersArePlacedExactlyOnce() throws SQLException {
        // snippet
        FaultPlan plan = FaultPlan.seeded(42)
                .atCommits(0.1, Fault.LOSE_ANSWER)
                .atCommits(0.1, Fault.DELIVER_LATE)
                .atStatements(0.05, Fault.raise("40001"));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(dataSource, plan);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(faulty).build()) {
            ExactlyOnce.under(faulty, dataSource)
                    .calls(50)
                    .effects("SELECT reference FROM orders")
                    .check(call -> executor.run(tx -> {
                        placeOrder(tx.connection(), call.id());
                        return call.attempt(tx.connection());
                    }));
        }
        // end
        assertTrue(database.count("orders") >= 50);
    }

    @Test
    void oneFaultAtAnExactPlace() throws SQLException {
        // snippet
        FaultPlan plan = FaultPlan.script()
                .atStatement(2, "INSERT INTO orders", Fault.raise("40001"))
                .atCommit(3, "INSERT INTO orders", Fault.LOSE_ANSWER.thenRefusing(Duration.ofSeconds(1)));
        // end
        try (FaultyDataSource faulty = FaultyDataSource.wrap(dataSource, plan);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(faulty).build()) {
            // snippet
            for (int order = 1; order <= 4; order++) {
                String reference = "order-" + order;
                executor.execute(tx -> placeOrder(tx.connection(), reference));
            }
            for (FaultDone fault : faulty.done()) {
                notebook.add(fault.toString());
            }
            // end
            assertEquals(List.of(), faulty.notReached());
        }
        assertTrue(notebook.get(0).matches("statement \\d+ on connection 2: raise 40001 \\(the server raised 40001\\)"), notebook::toString);
        assertTrue(notebook.get(1).matches("COMMIT \\d+ on connection \\d+: LOSE_ANSWER then refusing for PT1S \\(done\\)"),
                notebook::toString);
        assertEquals("4", database.ask("SELECT count(*) FROM orders WHERE reference LIKE 'order-_'"));
    }

    @Test
    void aLoopOfOnesOwn() throws SQLException {
        FaultPlan plan = FaultPlan.script().atCommit(2, Fault.LOSE_ANSWER);
        try (FaultyDataSource faulty = FaultyDataSource.wrap(dataSource, plan)) {
            // snippet
            AuditReport report = ExactlyOnce.under(faulty, dataSource)
                    .calls(10)
                    .unknownIf(thrown -> thrown instanceof CommitOutcomeUnknownException)
                    .run(call -> retryLoop(faulty, connection -> call.attempt(connection)));
            // end
            assertEquals(1, report.doubled(), report::toString);
            assertFalse(report.isExactlyOnce());
            assertThrows(AssertionError.class, report::requireExactlyOnce);
        }
    }

    private interface Body {
        int run(Connection connection) throws SQLException;
    }

    /** Retries what was lost, as it should not. */
    private static int retryLoop(DataSource from, Body body) throws SQLException {
        while (true) {
            try (Connection connection = from.getConnection()) {
                connection.setAutoCommit(false);
                int value = body.run(connection);
                connection.commit();
                return value;
            } catch (SQLException lost) {
                if (!"08006".equals(lost.getSQLState())) {
                    throw lost;
                }
            }
        }
    }

    private static void placeOrder(Connection connection, String reference) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO orders VALUES (?)")) {
            insert.setString(1, reference);
            insert.executeUpdate();
        }
    }
}
