package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.classify.ErrorClassifier;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Caller;
import io.github.connecttransactretry.fixtures.CapturedLog;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.Evicted;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import io.github.connecttransactretry.outcome.TransactionStatusResolver;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The parts that users write themselves may be wrong: that must neither hide a doubt nor leak a connection. */
@Tag("matrix")
class InquiryRobustnessTest {

    private static final TransactionOptions OPTIONS = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(10));

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    /** What is wrong with a resolver. */
    enum Fault {
        ANSWERS_NULL, THROWS_AN_EXCEPTION, THROWS_AN_ERROR, HAS_NO_NAME, HAS_NO_NAME_FOR_ITS_EXCEPTION
    }

    /** Interrupts the caller once, and then does what is wrong. */
    private record Broken(Fault fault, AtomicBoolean interrupted, AtomicBoolean asked) implements CommitOutcomeResolver {

        Broken(Fault fault) {
            this(fault, new AtomicBoolean(), new AtomicBoolean());
        }

        @Override
        public String name() {
            interruptOnce(interrupted);
            if (fault == Fault.HAS_NO_NAME || fault == Fault.HAS_NO_NAME_FOR_ITS_EXCEPTION && asked.get()) {
                throw new IllegalStateException("of a name");
            }
            return "broken";
        }

        @Override
        public CommitOutcome resolve(OutcomeQuestion question) {
            interruptOnce(interrupted);
            asked.set(true);
            switch (fault) {
                case ANSWERS_NULL:
                    return null;
                case THROWS_AN_ERROR:
                    throw new NoClassDefFoundError("of a resolver");
                default:
                    throw new IllegalStateException("of a resolver");
            }
        }
    }

    private static void interruptOnce(AtomicBoolean interrupted) {
        if (interrupted.compareAndSet(false, true)) {
            Thread.currentThread().interrupt();
        }
    }

    @ParameterizedTest
    @EnumSource
    void aBrokenResolverLeavesTheDoubtAsItIs(Fault fault) throws SQLException {
        Chronicle chronicle = new Chronicle();
        assertStaysUnknown(chronicle, scene.engine(chronicle).resolvers(new Broken(fault)), false);
    }

    @ParameterizedTest
    @EnumSource
    void afterABrokenResolverTheNextIsAsked(Fault fault) throws SQLException {
        Chronicle chronicle = new Chronicle();
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Caller.Ending<Ending> caller = Caller.start(() -> scene.call(
                scene.engine(chronicle).resolvers(new Broken(fault), new TransactionStatusResolver()), OPTIONS)).ending();
        caller.returned().returned(1);
        assertEquals("transaction-status", chronicle.only(OutcomeResolved.class).resolver());
        assertTrue(caller.interrupted(), "an interrupt was put aside, and is there again");
    }

    /** The server cannot be reached, and how long to wait before the next try is not to be had. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aBrokenBackoffLeavesTheDoubtAsItIs(boolean byError) throws SQLException {
        AtomicBoolean interrupted = new AtomicBoolean();
        RetryPolicy policy = RetryPolicy.defaults().withOutageBackoff((repeat, previous, random) -> {
            interruptOnce(interrupted);
            if (byError) {
                throw new AssertionError("of a backoff");
            }
            throw new IllegalStateException("of a backoff");
        });
        Chronicle chronicle = new Chronicle();
        assertStaysUnknown(chronicle, scene.engine(chronicle).retryPolicy(policy), true);
    }

    private static void assertStaysUnknown(Chronicle chronicle, ConnectTransactRetryBuilder engine, boolean outage)
            throws SQLException {
        scene.script(request -> {
            scene.proxy().refuse(request.isCommit() && outage);
            return request.isCommit() ? WireAction.CUT_AFTER : WireAction.PASS;
        });
        Caller.Ending<Ending> caller = Caller.start(() -> scene.call(engine, OPTIONS)).ending();
        scene.script(WireScript.pass());
        scene.proxy().refuse(false);
        Ending ending = caller.returned();
        ending.unknown();
        assertTrue(chronicle.only(OutcomeResolved.class).outcome() instanceof Unknown, chronicle.toString());
        assertTrue(caller.interrupted(), "an interrupt was put aside, and is there again");
        assertEquals(List.of(1), scene.effects(ending));
    }

    /** What is wrong with a classifier. */
    enum Classifier {
        THROWS_AN_ERROR(failure -> {
            throw new AssertionError("of a classifier");
        }),
        THROWS_WHAT_IT_WAS_GIVEN(failure -> {
            throw (RuntimeException) failure.thrown();
        }),
        ANSWERS_NULL(failure -> null);

        private final ErrorClassifier classifier;

        Classifier(ErrorClassifier classifier) {
            this.classifier = classifier;
        }
    }

    @ParameterizedTest
    @EnumSource
    void aBrokenClassifierMakesAFailurePermanentAndLeaksNothing(Classifier broken) throws SQLException {
        Chronicle chronicle = new Chronicle();
        IllegalStateException business = new IllegalStateException("business");
        try (HikariDataSource pool = Pools.hikari(scene.server(), scene.server().port(), 1);
                CapturedLog log = CapturedLog.ofLibrary(Level.WARN)) {
            Leaks leaks = Leaks.watch(scene.server());
            ConnectTransactRetry engine = ConnectTransactRetry.builder(pool).mostInPool(1).listener(chronicle)
                    .classifier(broken.classifier).build();
            Caller<Boolean> caller = Caller.start(() -> engine.run(OPTIONS, tx -> {
                tx.connection().createStatement().execute("CREATE TABLE leaked()");
                throw business;
            }));
            assertSame(business, assertInstanceOf(IllegalStateException.class, caller.ending().thrown()));
            assertEquals(List.of(Verdict.PERMANENT), chronicle.all(AttemptFailed.class).stream()
                    .map(AttemptFailed::failure).map(AttemptFailure::verdict).toList());
            assertEquals(0, business.getSuppressed().length, "a foreign exception is left as it is");
            assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
            assertEquals(List.of(), chronicle.all(Evicted.class));
            assertTrue(log.text().contains("an ErrorClassifier threw"), log::text);
            assertEquals(1, engine.<Integer, SQLException>run(OPTIONS.withTimeout(Duration.ofSeconds(5)), Transaction::attempt),
                    "the place in front of the pool is free again");
            leaks.assertNone(engine, pool);
        }
        assertEquals(null, scene.ask("SELECT to_regclass('leaked')"));
    }
}
