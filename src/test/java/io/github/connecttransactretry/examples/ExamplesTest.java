package io.github.connecttransactretry.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.TakeUpReport;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.ConflictReport;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.postgresql.ds.PGSimpleDataSource;

/** Runs each example program in a database of its own, and asserts what it must come to. */
class ExamplesTest {

    private static TestDatabase server;

    @BeforeAll
    static void launch() {
        server = TestDatabase.launch();
    }

    @AfterAll
    static void close() {
        server.close();
    }

    private static PGSimpleDataSource database(TestInfo test) throws SQLException {
        String name = test.getTestMethod().orElseThrow().getName().toLowerCase();
        server.execute("CREATE DATABASE " + name);
        PGSimpleDataSource dataSource = server.plain("");
        dataSource.setDatabaseName(name);
        return dataSource;
    }

    @Test
    void simpleExponential(TestInfo test) throws SQLException {
        PGSimpleDataSource dataSource = database(test);
        assertEquals(List.of(2L, 4L, 8L, 10L), SimpleExponential.run(dataSource, System.out));
        assertEquals("5", Sql.ask(dataSource, "SELECT n FROM counter"), "four of somebody else's and one of ours");
    }

    @Test
    void jittered(TestInfo test) throws SQLException {
        Map<String, List<Duration>> waits = Jittered.run(database(test), System.out);
        List<Duration> plain = List.of(Duration.ofMillis(4), Duration.ofMillis(8), Duration.ofMillis(16), Duration.ofMillis(16));
        assertEquals(plain, waits.get("none"));
        for (String jitter : List.of("full", "equal", "decorrelated")) {
            List<Duration> drawn = waits.get(jitter);
            assertEquals(plain.size(), drawn.size());
            assertNotEquals(plain, drawn);
            for (int i = 0; i < plain.size(); i++) {
                Map<String, Duration> least = Map.of("full", Duration.ZERO, "equal", plain.get(i).dividedBy(2),
                        "decorrelated", plain.get(0));
                Duration most = jitter.equals("decorrelated") ? plain.get(3) : plain.get(i);
                Duration wait = drawn.get(i);
                assertTrue(wait.compareTo(least.get(jitter)) >= 0, () -> jitter + " " + wait);
                assertTrue(wait.compareTo(most) <= 0, () -> jitter + " " + wait);
            }
        }
    }

    @Test
    void breakerOverAnOutage() throws Exception {
        BreakerOverAnOutage.Seen seen = BreakerOverAnOutage.run(server.server(), System.out);
        assertEquals(0, seen.connectsOfRejected());
        assertEquals(CircuitBreaker.State.CLOSED, seen.state());
        assertEquals(1, seen.counts().opened());
        assertTrue(seen.counts().waited() >= 7 && seen.counts().rejected() == 0, seen::toString);
    }

    @Test
    void budgetOfRetries(TestInfo test) throws SQLException {
        PGSimpleDataSource dataSource = database(test);
        assertEquals(List.of(6, 1, 1), BudgetOfRetries.run(dataSource, System.out), "five retries, then none");
        assertEquals("-1", Sql.ask(dataSource, "SELECT n FROM counter"));
    }

    @Test
    void reloadAndMerge(TestInfo test) throws SQLException {
        assertEquals("pen, ink, paper at version 3", ReloadAndMerge.run(database(test), System.out));
    }

    @Test
    void conflictAnalysis(TestInfo test) throws Exception {
        PGSimpleDataSource dataSource = database(test);
        ConflictReport report = ConflictAnalysis.run(dataSource, System.out);
        assertEquals("40", Sql.ask(dataSource, "SELECT balance FROM account"));
        assertTrue(report.figures().times() >= 3, report::toString);
        assertTrue(report.toString().matches("(?s).*(deposit|fee) +account +- +40001 .*"), report::toString);
    }

    @Test
    void isolationPerCall(TestInfo test) throws SQLException {
        assertEquals(new IsolationPerCall.OnCall(1, 0), IsolationPerCall.run(database(test), System.out));
    }

    @Test
    void readOnlyView(TestInfo test) throws SQLException {
        PGSimpleDataSource dataSource = database(test);
        assertEquals(new ReadOnlyView.Seen("2", "42", "25006"), ReadOnlyView.run(dataSource, System.out));
        assertEquals("142", Sql.ask(dataSource, "SELECT sum(amount) FROM orders"));
    }

    @Test
    void mailAfterCommit(TestInfo test) throws SQLException {
        PGSimpleDataSource dataSource = database(test);
        assertEquals(new MailAfterCommit.Seen(2, List.of("thank you for order-1")), MailAfterCommit.run(dataSource, System.out));
        assertEquals("1", Sql.ask(dataSource, "SELECT count(*) FROM orders"));
    }

    @Test
    void ownClassifier(TestInfo test) throws SQLException {
        assertEquals("SHP01 3", OwnClassifier.run(database(test), System.out));
    }

    @Test
    void camoAsResolver(TestInfo test) throws SQLException {
        PGSimpleDataSource dataSource = database(test);
        assertEquals(List.of("camo: CAMO says committed", "camo: CAMO says aborted"), CamoAsResolver.run(dataSource, System.out));
        assertEquals("order-1,order-2", Sql.ask(dataSource, "SELECT string_agg(reference, ',' ORDER BY reference) FROM orders"));
    }

    @Test
    void paymentOnce(TestInfo test) throws SQLException {
        PGSimpleDataSource dataSource = database(test);
        assertEquals(List.of("receipt 1", "receipt 1", "receipt 1", "refused"), PaymentOnce.run(dataSource, System.out));
        assertEquals("42", Sql.ask(dataSource, "SELECT sum(amount) FROM payment"));
    }

    @Test
    void lettersTakenUp(TestInfo test) throws Exception {
        PGSimpleDataSource dataSource = database(test);
        List<TakeUpReport> reports = LettersTakenUp.run(dataSource, System.out);
        assertEquals(List.of(0, 1, 0), reports.stream().map(TakeUpReport::done).toList());
        assertEquals(List.of(1, 0, 0), reports.stream().map(report -> report.failed().size()).toList());
        assertEquals("ada", Sql.ask(dataSource, "SELECT string_agg(customer, ',') FROM orders"));
    }

    @Test
    void chaosOfOnesOwn(TestInfo test) throws SQLException {
        ChaosOfOnesOwn.Verdicts verdicts = ChaosOfOnesOwn.run(database(test), 42, System.out);
        AuditReport good = verdicts.good();
        assertTrue(good.isExactlyOnce(), good::toString);
        assertEquals(50, good.acknowledged());
        assertFalse(verdicts.bad().isExactlyOnce());
        assertTrue(verdicts.bad().lost() > 0, verdicts.bad()::toString);
    }
}
