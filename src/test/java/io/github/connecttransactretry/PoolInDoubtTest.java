package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Places;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Callers in doubt do not wait for each other, however small the pool. */
class PoolInDoubtTest {

    private static final Duration DEADLINE = Duration.ofSeconds(4);
    private static final AtomicInteger TABLES = new AtomicInteger();

    private static PostgresServer server;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect()) {
            connection.createStatement().execute("CREATE TABLE fought (id int PRIMARY KEY, n int); INSERT INTO fought VALUES (1, 0)");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    /** All connections are in COMMIT at the same moment, and all are lost there, before or after the server has committed. */
    @ParameterizedTest
    @CsvSource({
        "1, true, CUT_AFTER, CUT_AFTER", "1, false, CUT_BEFORE, CUT_BEFORE",
        "8, true, CUT_BEFORE, CUT_AFTER", "8, false, CUT_BEFORE, CUT_AFTER",
        "8, true, BLACK_HOLE_BEFORE, BLACK_HOLE_AFTER"})
    void everyConnectionOfThePoolInDoubtAtOnce(int size, boolean byUrl, WireAction odd, WireAction even) throws SQLException {
        RecordedEvents events = new RecordedEvents();
        Audit audit = audit();
        try (WireProxy proxy = WireProxy.to(server.port());
                HikariDataSource pool = pool(byUrl, proxy, size)) {
            Leaks leaks = Leaks.watch(server);
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).listener(events).build();
            proxy.script(loseTheFirst(size, odd, even));
            List<Caller<Integer>> callers = new ArrayList<>();
            for (int i = 0; i < size; i++) {
                String call = "call-" + i;
                callers.add(Caller.start(() -> appended(engine, audit, call)));
            }
            for (Caller<Integer> caller : callers) {
                caller.ending().returned();
                assertTrue(caller.ending().took().compareTo(DEADLINE) < 0, () -> "took " + caller.ending().took());
            }
            long committed = resolved(events, CommitOutcome.Committed.class);
            long notCommitted = resolved(events, CommitOutcome.NotCommitted.class);
            assertEquals(size, committed + notCommitted, () -> events.all().toString());
            assertEquals(odd == even ? size : size / 2, even.name().endsWith("AFTER") ? committed : notCommitted);
            leaks.assertNone(engine, pool);
        }
        assertExactlyOnce(audit, size);
    }

    /** A's backend never got its COMMIT and holds a row; B has A's place in the pool and waits for that row. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void poolOfOneAndAnotherCallersBodyWaitsForTheRowOfAnAbandonedBackend(boolean byUrl) throws SQLException {
        Duration deadline = Duration.ofSeconds(3);
        TransactionOptions options = TransactionOptions.defaults().withTimeout(deadline);
        RecordedEvents events = new RecordedEvents();
        AtomicInteger asked = new AtomicInteger();
        int before = fought();
        try (WireProxy proxy = WireProxy.to(server.port()); HikariDataSource pool = pool(byUrl, proxy, 1)) {
            Leaks leaks = Leaks.watch(server);
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).listener(events).build();
            CountDownLatch aInCommit = new CountDownLatch(1);
            WireScript lost = WireScript.once(WireRequest::isCommit, WireAction.BLACK_HOLE_BEFORE);
            proxy.script(request -> {
                if (request.mentions("pg_xact_status") && asked.getAndIncrement() == 0) {
                    // The question waits until B is where it must not wait for the answer.
                    Await.until("B to wait for the row", Duration.ofSeconds(2), () -> lockWaits() > 0);
                }
                if (request.isCommit()) {
                    aInCommit.countDown();
                }
                return lost.onRequest(request);
            });
            Caller<Integer> a = Caller.start(() -> engine.run(options, PoolInDoubtTest::count));
            Caller<Integer> b = Caller.start(() -> {
                assertTrue(aInCommit.await(10, TimeUnit.SECONDS));
                return engine.run(options, PoolInDoubtTest::count);
            });
            assertEquals(Set.of(before + 1, before + 2), Set.of(a.ending().returned(), b.ending().returned()));
            assertTrue(a.ending().took().compareTo(deadline) < 0 && b.ending().took().compareTo(deadline.plusSeconds(2)) < 0,
                    () -> "A took " + a.ending().took() + ", B " + b.ending().took());
            assertTrue(asked.get() > 0);
            leaks.assertNone(engine, pool);
        }
        assertEquals(before + 2, fought());
    }

    /** Where the question goes through the pool itself, the connection in doubt must have left it before. */
    @Test
    void anUnknownPoolOfOne() throws SQLException {
        Audit audit = audit();
        try (WireProxy proxy = WireProxy.to(server.port())) {
            Leaks leaks = Leaks.watch(server);
            Places one = new Places(1, Pools.plain(server, proxy.port()));
            ConnectTransactRetry engine = ConnectTransactRetry.builder(Pools.asDataSource(one)).build();
            for (WireAction action : List.of(WireAction.CUT_BEFORE, WireAction.CUT_AFTER, WireAction.BLACK_HOLE_AFTER)) {
                proxy.script(WireScript.once(WireRequest::isCommit, action));
                Caller<Integer> caller = Caller.start(() -> appended(engine, audit, action.name()));
                assertEquals(action == WireAction.CUT_BEFORE ? 2 : 1, caller.ending().returned());
                assertEquals(0, one.taken());
            }
            leaks.assertNone(engine, null);
        }
        assertExactlyOnce(audit, 3);
    }

    private static HikariDataSource pool(boolean byUrl, WireProxy proxy, int size) {
        return byUrl ? Pools.hikari(server, proxy.port(), size) : Pools.hikariOverDataSource(server, proxy.port(), size);
    }

    private static WireScript loseTheFirst(int commits, WireAction odd, WireAction even) {
        AtomicInteger seen = new AtomicInteger();
        CountDownLatch together = new CountDownLatch(commits);
        return request -> {
            int number = request.isCommit() ? seen.incrementAndGet() : 0;
            if (number == 0 || number > commits) {
                return WireAction.PASS;
            }
            together.countDown();
            Await.until("all connections to be in COMMIT", Duration.ofSeconds(10), () -> together.getCount() == 0);
            return number % 2 == 1 ? odd : even;
        };
    }

    private static int appended(ConnectTransactRetry engine, Audit audit, String call) throws SQLException {
        try {
            int attempt = engine.run(TransactionOptions.defaults().withTimeout(DEADLINE), tx -> {
                audit.append(tx.connection(), call, tx.attempt());
                return tx.attempt();
            });
            audit.acknowledged(call, attempt);
            return attempt;
        } catch (TransactionRetryException thrown) {
            audit.threw(call, thrown);
            throw thrown;
        }
    }

    private static int count(Transaction tx) throws SQLException {
        try (ResultSet row = tx.connection().createStatement()
                .executeQuery("UPDATE fought SET n = n + 1 WHERE id = 1 RETURNING n")) {
            row.next();
            return row.getInt(1);
        }
    }

    private static long resolved(RecordedEvents events, Class<? extends CommitOutcome> as) {
        return events.of(OutcomeResolved.class).stream().filter(event -> as.isInstance(event.outcome())).count();
    }

    private static int fought() throws SQLException {
        try (Connection connection = server.connect();
                ResultSet row = connection.createStatement().executeQuery("SELECT n FROM fought")) {
            row.next();
            return row.getInt(1);
        }
    }

    private static int lockWaits() throws SQLException {
        try (Connection connection = server.connect(); ResultSet row = connection.createStatement().executeQuery(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE fought%'")) {
            row.next();
            return row.getInt(1);
        }
    }

    private static Audit audit() throws SQLException {
        try (Connection connection = server.connect()) {
            return Audit.create(connection, "effects" + TABLES.incrementAndGet());
        }
    }

    private static void assertExactlyOnce(Audit audit, int calls) throws SQLException {
        try (Connection connection = server.connect()) {
            Audit.awaitQuiet(connection, Duration.ofSeconds(10));
            AuditReport report = audit.read(connection);
            assertTrue(report.isExactlyOnce() && report.acknowledged() == calls, report::toString);
        }
    }
}
