package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.Caller.Kind;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.RetryScheduled;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * An interrupt ends the retrying, never the truth about a COMMIT, and is set again when the call ends. On platform threads
 * JDBC ignores it; on virtual threads it closes the socket in use.
 */
class InterruptTest {

    private static final AtomicInteger TABLES = new AtomicInteger();
    private static final Duration SOON = Duration.ofSeconds(5);

    private static PostgresServer server;
    private final RecordedEvents events = new RecordedEvents();
    /** Whom the proxy interrupts; set before the call begins. */
    private final AtomicReference<Thread> target = new AtomicReference<>();
    private WireProxy proxy;
    private HikariDataSource pool;
    private Audit audit;
    private Leaks leaks;
    private ConnectTransactRetry engine;

    @BeforeAll
    static void launch() {
        server = PostgresServer.launch();
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @BeforeEach
    void build() throws SQLException {
        try (Connection connection = server.connect()) {
            audit = Audit.create(connection, "interrupted" + TABLES.incrementAndGet());
        }
        proxy = WireProxy.to(server.port());
        pool = Pools.hikari(server, proxy.port(), 2);
        leaks = Leaks.watch(server);
        engine = ConnectTransactRetry.builder(pool).listener(events)
                .retryPolicy(RetryPolicy.defaults().withConflictBackoff(Backoff.fixed(Duration.ofSeconds(20)))).build();
    }

    @AfterEach
    void tearDown() {
        pool.close();
        proxy.close();
    }

    @ParameterizedTest
    @EnumSource
    void atCommitWithTheAnswerLost(Kind kind) throws SQLException {
        interruptOnce(WireRequest::isCommit, WireAction.CUT_AFTER);
        Caller.Ending<Integer> ending = append(kind);
        assertEquals(1, ending.returned());
        assertTrue(ending.interrupted(), "the flag is set again");
        assertEquals(1, events.of(OutcomeAsked.class).size());
        assertTruth(1);
    }

    /** The answer is on its way: on a platform thread it is read, on a virtual one nobody is there to read it. */
    @ParameterizedTest
    @EnumSource
    void atCommitThatSucceeds(Kind kind) throws SQLException {
        interruptOnce(WireRequest::isCommit, WireAction.PASS);
        Caller.Ending<Integer> ending = append(kind);
        assertEquals(1, ending.returned());
        assertTrue(ending.interrupted(), "the flag is set again");
        assertEquals(kind == Kind.PLATFORM ? 0 : 1, events.of(OutcomeAsked.class).size());
        assertTruth(1);
    }

    @ParameterizedTest
    @EnumSource
    void atCommitThatIsNeverDelivered(Kind kind) throws SQLException {
        interruptOnce(WireRequest::isCommit, WireAction.CUT_BEFORE);
        Caller.Ending<Integer> ending = append(kind);
        assertInstanceOf(TransactionInterruptedException.class, ending.thrown(), () -> events.all().toString());
        assertTrue(ending.interrupted(), "the flag is set again");
        assertEquals(1, events.of(OutcomeAsked.class).size());
        assertTruth(0);
    }

    /** The question is cut on a virtual thread, and must be put again. */
    @ParameterizedTest
    @EnumSource
    void whileTheOutcomeIsAskedFor(Kind kind) throws SQLException {
        AtomicInteger commits = new AtomicInteger();
        proxy.script(request -> {
            if (request.mentions("pg_xact_status")) {
                Thread caller = target.getAndSet(null);
                if (caller != null) {
                    caller.interrupt();
                }
            }
            return request.isCommit() && commits.incrementAndGet() == 1 ? WireAction.CUT_AFTER : WireAction.PASS;
        });
        Caller.Ending<Integer> ending = append(kind);
        assertEquals(1, ending.returned());
        assertTrue(ending.interrupted(), "the flag is set again");
        assertTruth(1);
    }

    /** The doubt comes before the interrupt: whoever reads "interrupted" would go on as if nothing was committed. */
    @ParameterizedTest
    @EnumSource
    void atCommitWithNobodyLeftToAsk(Kind kind) {
        proxy.script(request -> {
            if (!request.isCommit()) {
                return WireAction.PASS;
            }
            proxy.silentOnConnect(true);
            target.get().interrupt();
            return WireAction.CUT_AFTER;
        });
        Caller.Ending<Object> ending = start(kind, () -> {
            target.set(Thread.currentThread());
            engine.execute(TransactionOptions.defaults().withTimeout(Duration.ofSeconds(1)),
                    tx -> audit.append(tx.connection(), "call", tx.attempt()));
            return null;
        }).ending();
        assertInstanceOf(CommitOutcomeUnknownException.class, ending.thrown());
        assertTrue(ending.took().compareTo(Duration.ofSeconds(2)) < 0, () -> "took " + ending.took());
        assertTrue(ending.interrupted(), "the flag is set again");
        proxy.silentOnConnect(false);
        proxy.cutAll();
        leaks.assertNone(engine, pool);
    }

    /** JDBC goes on on a platform thread, and the engine sees it before COMMIT; the socket of a virtual one is closed. */
    @ParameterizedTest
    @EnumSource
    void inTheFunction(Kind kind) throws SQLException {
        interruptOnce(request -> request.mentions("INSERT INTO"), WireAction.PASS);
        Caller.Ending<Integer> ending = append(kind);
        assertInstanceOf(TransactionInterruptedException.class, ending.thrown());
        assertTrue(ending.interrupted(), "the flag is set again");
        assertEquals(0, events.of(OutcomeAsked.class).size());
        assertTruth(0);
    }

    @ParameterizedTest
    @EnumSource
    void inTheSleepBeforeARetry(Kind kind) throws SQLException {
        Caller<Integer> caller = start(kind, () -> engine.run(options(), tx -> {
            audit.append(tx.connection(), "call", tx.attempt());
            throw new SQLException("a conflict", "40001");
        }));
        Await.until("the retry to be scheduled", SOON, () -> events.of(RetryScheduled.class).size() == 1);
        caller.thread().interrupt();
        Caller.Ending<Integer> ending = caller.ending();
        assertInstanceOf(TransactionInterruptedException.class, ending.thrown());
        assertTrue(ending.took().compareTo(SOON) < 0, () -> "the sleep was 20 s, and it took " + ending.took());
        assertTrue(ending.interrupted(), "the flag is set again");
        audit.failed("call", ending.thrown());
        assertTruth(0);
    }

    /** A pool that is slower than the deadline is waited for by way of an engine's thread, a quicker one directly. */
    @ParameterizedTest
    @CsvSource({"PLATFORM, 30000", "PLATFORM, 10000", "VIRTUAL, 30000", "VIRTUAL, 10000"})
    void inTheWaitForAConnection(Kind kind, int poolTimeout) throws SQLException {
        pool.setConnectionTimeout(poolTimeout);
        try (Connection first = pool.getConnection(); Connection second = pool.getConnection()) {
            assertTrue(first != second);
            Caller<Integer> caller = start(kind, () -> engine.run(options(), Transaction::attempt));
            Await.until("the call to wait", SOON, () -> pool.getHikariPoolMXBean().getThreadsAwaitingConnection() == 1);
            caller.thread().interrupt();
            Caller.Ending<Integer> ending = caller.ending();
            assertInstanceOf(TransactionInterruptedException.class, ending.thrown());
            assertTrue(ending.took().compareTo(SOON) < 0, () -> "took " + ending.took());
            assertTrue(ending.interrupted(), "the flag is set again");
        }
        leaks.assertNone(engine, pool);
    }

    private static TransactionOptions options() {
        return TransactionOptions.defaults().withTimeout(Duration.ofSeconds(25));
    }

    private void interruptOnce(Predicate<WireRequest> kind, WireAction action) {
        proxy.script(request -> {
            Thread caller = kind.test(request) ? target.getAndSet(null) : null;
            if (caller == null) {
                return WireAction.PASS;
            }
            caller.interrupt();
            return action;
        });
    }

    private Caller.Ending<Integer> append(Kind kind) {
        Caller<Integer> caller = start(kind, () -> {
            target.set(Thread.currentThread());
            int attempt = engine.run(options(), tx -> {
                audit.append(tx.connection(), "call", tx.attempt());
                return tx.attempt();
            });
            audit.acknowledged("call", attempt);
            return attempt;
        });
        Caller.Ending<Integer> ending = caller.ending();
        if (ending.thrown() != null) {
            audit.threw("call", ending.thrown());
        }
        return ending;
    }

    private static <T> Caller<T> start(Kind kind, Callable<T> call) {
        assumeTrue(kind.exists(), "virtual threads came with JDK 21, and this is JDK " + Runtime.version().feature());
        return Caller.start(kind, call);
    }

    private void assertTruth(int acknowledged) throws SQLException {
        leaks.assertNone(engine, pool);
        pool.close();
        try (Connection connection = server.connect()) {
            Audit.awaitQuiet(connection, SOON);
            AuditReport report = audit.read(connection);
            assertTrue(report.isExactlyOnce() && report.unknown().isEmpty(), report::toString);
            assertEquals(acknowledged, report.acknowledged());
        }
    }
}
