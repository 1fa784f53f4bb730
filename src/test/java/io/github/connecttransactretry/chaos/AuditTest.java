package io.github.connecttransactretry.chaos;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.drill.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class AuditTest {

    private static final Duration LONG = Duration.ofSeconds(20);
    private static final Duration SHORT = Duration.ofMillis(300);
    private static final AtomicInteger TABLES = new AtomicInteger();

    private static PostgresServer server;
    private Connection connection;
    private Audit audit;

    @BeforeAll
    static void launch() {
        server = PostgresServer.builder().setting("max_prepared_transactions", "5").launch();
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @BeforeEach
    void createAudit() throws SQLException {
        connection = server.connect();
        audit = Audit.create(connection, "effect" + TABLES.incrementAndGet());
    }

    @AfterEach
    void disconnect() throws SQLException {
        connection.close();
    }

    @Test
    void whatWasSaidAndIsThereIsExactlyOnce() throws SQLException {
        audit.append(connection, "first", 1);
        audit.acknowledged("first", 1);
        audit.append(connection, "retried", 3);
        audit.acknowledged("retried", 3);
        audit.failed("refused", new IllegalStateException("no"));
        AuditReport report = audit.read(connection);
        assertTrue(report.isExactlyOnce(), report::toString);
        assertEquals(new AuditReport(2, 1, 2, 0, 0, 0, List.of(), List.of(), List.of(), List.of(),
                List.of("refused: java.lang.IllegalStateException: no")), report);
    }

    @Test
    void aCallWithTwoRowsIsDoubled() throws SQLException {
        audit.append(connection, "twice", 1);
        audit.append(connection, "twice", 2);
        audit.acknowledged("twice", 2);
        assertOffence("acknowledged=1 failed=0 committed=1 doubled=1[twice in attempts [1, 2]] lost=0[] wrong=0[] unknown=0[]");
    }

    @Test
    void oneAttemptWithTwoRowsIsDoubledToo() throws SQLException {
        audit.append(connection, "twice", 1);
        audit.append(connection, "twice", 1);
        audit.unknown("twice", "xid=7");
        assertOffence("acknowledged=0 failed=0 committed=1 doubled=1[twice in attempts [1, 1]] lost=0[] wrong=0[]"
                + " unknown=1[twice (in truth committed): xid=7]");
    }

    @Test
    void anAcknowledgedCallWithoutARowIsLost() throws SQLException {
        audit.append(connection, "kept", 1);
        audit.acknowledged("kept", 1);
        audit.acknowledged("gone", 2);
        assertOffence("acknowledged=2 failed=0 committed=1 doubled=0[] lost=1[gone returned the value of attempt 2 and has no"
                + " row] wrong=0[] unknown=0[]");
    }

    @Test
    void aFailedCallThatIsThereIsWrong() throws SQLException {
        audit.append(connection, "there", 1);
        audit.failed("there", new IllegalStateException("gave up"));
        assertOffence("acknowledged=0 failed=1[there: java.lang.IllegalStateException: gave up] committed=1"
                + " doubled=0[] lost=0[] wrong=1[there was reported failed"
                + " (java.lang.IllegalStateException: gave up) and attempt [1] is there] unknown=0[]");
    }

    @Test
    void theValueOfAnotherAttemptIsWrong() throws SQLException {
        audit.append(connection, "other", 1);
        audit.acknowledged("other", 2);
        assertOffence("acknowledged=1 failed=0 committed=1 doubled=0[] lost=0[] wrong=1[other returned the value of attempt 2"
                + " and attempt [1] is there] unknown=0[]");
    }

    @Test
    void aRowThatNobodyWasToldOfIsWrong() throws SQLException {
        audit.append(connection, "silent", 1);
        assertOffence("acknowledged=0 failed=0 committed=1 doubled=0[] lost=0[] wrong=1[silent has a row of attempt [1] and"
                + " never had an answer] unknown=0[]");
    }

    @Test
    void aDoublingAndALossDoNotHideEachOther() throws SQLException {
        audit.append(connection, "twice", 1);
        audit.append(connection, "twice", 2);
        audit.acknowledged("twice", 1);
        audit.acknowledged("gone", 1);
        AuditReport report = audit.read(connection);
        assertEquals(List.of(2, 1, 1, 1), List.of(report.acknowledged(), report.committed(), report.doubled(), report.lost()));
        assertFalse(report.isExactlyOnce());
    }

    @Test
    void unknownIsTruthfulEitherWay() throws SQLException {
        audit.append(connection, "came", 1);
        audit.unknown("came", "xid=8");
        audit.unknown("went", "xid=9");
        AuditReport report = audit.read(connection);
        assertTrue(report.isExactlyOnce(), report::toString);
        assertEquals(List.of(new AuditReport.UnknownCall("came", "xid=8", true),
                new AuditReport.UnknownCall("went", "xid=9", false)), report.unknown());
    }

    @Test
    void allOffendersAreCountedAndSomeAreListed() throws SQLException {
        for (int call = 0; call < 2 * AuditReport.LISTED; call++) {
            audit.acknowledged("gone" + call, 1);
        }
        AuditReport report = audit.read(connection);
        assertEquals(2 * AuditReport.LISTED, report.lost());
        assertEquals(AuditReport.LISTED, report.lostCalls().size());
    }

    @Test
    void oneAnswerPerCall() {
        audit.acknowledged("call", 1);
        IllegalStateException twice =
                assertThrows(IllegalStateException.class, () -> audit.failed("call", new SQLException("late")));
        assertTrue(twice.getMessage().startsWith("call call has been answered twice"), twice::getMessage);
    }

    @Test
    void aTableWithRowsOfBeforeIsRefused() {
        assertThrows(SQLException.class, () -> Audit.create(connection, audit.table()));
        assertThrows(IllegalArgumentException.class, () -> Audit.create(connection, "x; DROP TABLE y"));
    }

    @Test
    void quietMeansThatNobodyElseIsThere() throws SQLException {
        Audit.awaitQuiet(connection, LONG);
        try (Connection other = server.connect()) {
            other.setAutoCommit(false);
            audit.append(other, "late", 1);
            String left = assertThrows(IllegalStateException.class, () -> Audit.awaitQuiet(connection, SHORT)).getMessage();
            assertTrue(left.contains("role postgres idle in transaction"), left);
            Audit.awaitQuiet(connection, SHORT, "somebody_else");
            assertThrows(IllegalStateException.class,
                    () -> Audit.awaitQuiet(connection, SHORT, "somebody_else", PostgresServer.SUPERUSER));
            assertEquals(1, Audit.endOthers(connection));
            Audit.awaitQuiet(connection, LONG);
            assertEquals(0, audit.read(connection).committed());
        }
    }

    @Test
    void aPreparedTransactionIsNotQuiet() throws SQLException {
        try (Connection other = server.connect(); Statement statement = other.createStatement()) {
            statement.execute("BEGIN");
            audit.append(other, "prepared", 1);
            statement.execute("PREPARE TRANSACTION 'late'");
        }
        String left = assertThrows(IllegalStateException.class, () -> Audit.awaitQuiet(connection, SHORT)).getMessage();
        assertTrue(left.contains("prepared transaction late"), left);
        try (Statement statement = connection.createStatement()) {
            statement.execute("ROLLBACK PREPARED 'late'");
        }
        Audit.awaitQuiet(connection, LONG);
    }

    private void assertOffence(String expected) throws SQLException {
        AuditReport report = audit.read(connection);
        assertEquals(expected, report.toString());
        assertFalse(report.isExactlyOnce());
    }
}
