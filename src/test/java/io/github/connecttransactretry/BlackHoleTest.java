package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.outcome.BackendFence;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** One connection that is heard no more, while the server and the way to it are well. */
class BlackHoleTest {

    private static final Duration DEADLINE = Duration.ofSeconds(10);

    private static PostgresServer server;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        try (Connection connection = server.connect()) {
            connection.createStatement().execute("CREATE TABLE counter (id int PRIMARY KEY, n int);"
                    + " INSERT INTO counter SELECT g, 0 FROM generate_series(1, 10) g");
        }
    }

    @AfterAll
    static void close() {
        server.close();
    }

    /** Both at once, since each waits for half of the deadline. */
    @Test
    void aCommitThatIsLostBeforeOrAfterDeliveryEndsTrulyWithinTheDeadline() throws SQLException {
        Audit audit;
        try (Connection connection = server.connect()) {
            audit = Audit.create(connection, "holes");
        }
        Caller<RecordedEvents> before = Caller.start(() -> commitInto(WireAction.BLACK_HOLE_BEFORE, audit));
        Caller<RecordedEvents> after = Caller.start(() -> commitInto(WireAction.BLACK_HOLE_AFTER, audit));
        Caller<RecordedEvents> slow = Caller.start(() -> commitInto(WireAction.TRICKLE, audit));
        for (Caller<RecordedEvents> caller : List.of(before, after, slow)) {
            RecordedEvents events = caller.ending().returned();
            assertTrue(caller.ending().took().compareTo(DEADLINE) < 0, () -> caller.ending().took() + " " + events.all());
        }
        assertEquals(1, terminated(before.ending().value()),
                "a backend that never got its COMMIT is ended");
        assertEquals(0, terminated(after.ending().value()),
                "one that has committed is left alone");
        try (Connection connection = server.connect()) {
            Audit.awaitQuiet(connection, Duration.ofSeconds(10));
            AuditReport report = audit.read(connection);
            assertTrue(report.isExactlyOnce() && report.acknowledged() == 3 && report.unknown().isEmpty(), report::toString);
        }
        System.out.println("COMMIT into a black hole, deadline " + DEADLINE + ": never delivered " + before.ending().took()
                + ", answer lost " + after.ending().took() + ", answer trickling " + slow.ending().took());
    }

    private static RecordedEvents commitInto(WireAction action, Audit audit) throws SQLException {
        RecordedEvents events = new RecordedEvents();
        String call = action.name();
        try (WireProxy proxy = WireProxy.to(server.port());
                HikariDataSource pool = Pools.hikari(server, proxy.port(), 2);
                ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).listener(events).build()) {
            // 12 bytes of CommandComplete alone would take twice the deadline.
            proxy.trickleInterval(DEADLINE.dividedBy(6));
            proxy.script(WireScript.once(WireRequest::isCommit, action));
            try {
                int attempt = engine.run(TransactionOptions.defaults().withTimeout(DEADLINE), tx -> {
                    audit.append(tx.connection(), call, tx.attempt());
                    return tx.attempt();
                });
                audit.acknowledged(call, attempt);
                assertEquals(action == WireAction.BLACK_HOLE_BEFORE ? 2 : 1, attempt);
            } catch (TransactionRetryException thrown) {
                audit.threw(call, thrown);
                throw thrown;
            }
        }
        return events;
    }

    /** The session's own socketTimeout finds the loss; the row is locked by a backend that nobody hears any more. */
    @Test
    void theRetryOfALostBodyDoesNotWaitForItsOwnZombiesLocks() throws SQLException {
        RecordedEvents events = new RecordedEvents();
        Leaks leaks = Leaks.watch(server);
        try (WireProxy proxy = WireProxy.to(server.port())) {
            ConnectTransactRetry engine = ConnectTransactRetry
                    .builder(Pools.plain(server.jdbcUrl(proxy.port()) + "&socketTimeout=1")).listener(events).build();
            proxy.script(WireScript.once(request -> request.mentions("then silence"), WireAction.BLACK_HOLE_BEFORE));
            Caller<Duration> caller = Caller.start(() -> engine.run(
                    TransactionOptions.defaults().withTimeout(DEADLINE), BlackHoleTest::updateAndAsk));
            Duration waitedForLock = caller.ending().returned();
            assertTrue(waitedForLock.compareTo(Duration.ofSeconds(1)) < 0, () -> "waited for the lock: " + waitedForLock);
            assertTrue(caller.ending().took().compareTo(Duration.ofSeconds(5)) < 0, () -> caller.ending().took().toString());
            assertEquals(1, terminated(events));
            System.out.println("body into a black hole, socketTimeout 1 s: the whole call took " + caller.ending().took()
                    + ", the second attempt's UPDATE " + waitedForLock);
            proxy.cutAll();
            leaks.assertNone(engine, null);
        }
        try (Connection connection = server.connect()) {
            assertEquals(1, valueOf(connection, 1));
        }
    }

    private static Duration updateAndAsk(Transaction tx) throws SQLException {
        long began = System.nanoTime();
        tx.connection().createStatement().execute("UPDATE counter SET n = n + 1 WHERE id = 1");
        Duration waited = Duration.ofNanos(System.nanoTime() - began);
        tx.connection().createStatement().execute("SELECT 'then silence'");
        return waited;
    }

    private static long terminated(RecordedEvents events) {
        return events.of(Fenced.class).stream().filter(fenced -> fenced.result() == BackendFence.Result.TERMINATED).count();
    }

    private static int valueOf(Connection connection, int id) throws SQLException {
        try (var row = connection.createStatement().executeQuery("SELECT n FROM counter WHERE id = " + id)) {
            row.next();
            return row.getInt(1);
        }
    }
}
