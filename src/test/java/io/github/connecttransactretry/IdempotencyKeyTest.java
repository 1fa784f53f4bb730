package io.github.connecttransactretry;

import static io.github.connecttransactretry.KeyedScene.claimed;
import static io.github.connecttransactretry.KeyedScene.freshKey;
import static io.github.connecttransactretry.KeyedScene.work;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.KeyedScene.Work;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.TransactionEvent.CallSucceeded;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerResolver;
import java.nio.ByteBuffer;
import java.sql.SQLException;
import java.util.List;
import java.util.UUID;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A call with an idempotency key takes effect once, and a repeat gets what the first call left. */
@Tag("matrix")
class IdempotencyKeyTest {

    private static final String REPEAT = StoredResultReturned.class.getSimpleName();

    private static KeyedScene keyed;

    /** A codec of the user's own. */
    private static final class UuidCodec implements ResultCodec<UUID> {

        @Override
        public String name() {
            return "uuid";
        }

        @Override
        public byte[] encode(UUID value) {
            return ByteBuffer.allocate(16).putLong(value.getMostSignificantBits()).putLong(value.getLeastSignificantBits()).array();
        }

        @Override
        public UUID decode(byte[] stored) {
            ByteBuffer bits = ByteBuffer.wrap(stored);
            return new UUID(bits.getLong(), bits.getLong());
        }
    }

    @BeforeAll
    static void open() throws SQLException {
        keyed = KeyedScene.open();
    }

    @AfterAll
    static void close() {
        keyed.close();
    }

    static Stream<Arguments> results() {
        List<Arguments> plain = List.of(
                arguments(ResultCodec.text(), "Smörgås 表 🐘 '\"\\"), arguments(ResultCodec.text(), ""),
                arguments(ResultCodec.text(), null),
                arguments(ResultCodec.bytes(), new byte[] {0, 1, -1, '\\'}), arguments(ResultCodec.bytes(), new byte[0]),
                arguments(ResultCodec.bytes(), null), arguments(ResultCodec.none(), null),
                arguments(new UuidCodec(), UUID.fromString("b5d4f7a0-1234-4000-8000-00000000000f")), arguments(new UuidCodec(), null));
        return Stream.of(false, true).flatMap(claimed -> plain.stream()
                .map(result -> arguments(result.get()[0], result.get()[1], claimed)));
    }

    @ParameterizedTest
    @MethodSource("results")
    void repeatOnAnotherEngineReturnsTheStoredResultAndRunsNothing(ResultCodec<?> codec, Object value, boolean claimed)
            throws SQLException {
        String key = freshKey();
        TransactionOptions options = options(claimed(IdempotencyKey.of(key).withResult(codec), claimed)).withLabel("pay");
        Work<Object> first = work(key, value);
        Chronicle chronicle = new Chronicle();
        assertSameResult(value, call(keyed.engine(chronicle), options, first));
        assertEquals(List.of(), chronicle.all(StoredResultReturned.class));
        Work<Object> second = work(key, "another value");
        try (HikariDataSource pool = Pools.hikari(keyed.scene().server(), keyed.scene().server().port(), 1)) {
            Chronicle repeats = new Chronicle();
            ConnectTransactRetryBuilder other = ConnectTransactRetry.builder(pool).listener(repeats).outcome(OutcomeMode.LEDGER);
            try (ConnectTransactRetry engine = other.build()) {
                assertSameResult(value, engine.run(options, second));
                assertSameResult(value, engine.run(options, second));
            }
            assertEquals(List.of(REPEAT, REPEAT), repeats.order(StoredResultReturned.class));
            assertEquals("pay", repeats.all(StoredResultReturned.class).get(0).label());
            // A claim finds out by being refused, which is an attempt.
            assertEquals(claimed ? 2 : 1, repeats.all(CallSucceeded.class).get(0).attempts());
        }
        assertEquals(List.of(1, 0), List.of(first.runs(), second.runs()));
        assertEquals(1, keyed.effects(key).size());
    }

    @ParameterizedTest
    @EnumSource(Isolation.class)
    void repeatsAtEveryIsolationLevel(Isolation isolation) throws SQLException {
        for (boolean claimed : new boolean[] {false, true}) {
            String key = freshKey();
            TransactionOptions options = options(claimed(text(key), claimed)).withIsolation(isolation);
            for (int call = 1; call <= 3; call++) {
                assertEquals("1", call(keyed.engine(new Chronicle()), options, work(key, "" + call)));
            }
            assertEquals(List.of("1"), keyed.effects(key));
        }
    }

    @Test
    void keyWithoutACodecIsAnOrdinaryCallThatReturnsNull() throws SQLException {
        String key = freshKey();
        assertNull(call(keyed.engine(new Chronicle()), TransactionOptions.idempotencyKey(key), work(key, null)));
        assertNull(call(keyed.engine(new Chronicle()), TransactionOptions.idempotencyKey(key), work(key, null)));
        assertEquals(1, keyed.effects(key).size());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void functionWithoutAStatementTakesTheKey(boolean claimed) throws SQLException {
        String key = freshKey();
        TransactionOptions options = options(claimed(text(key), claimed));
        try (ConnectTransactRetry engine = keyed.engine(new Chronicle()).build()) {
            assertEquals("first", engine.run(options, tx -> "first"));
            assertEquals("first", engine.run(options, tx -> "second"));
        }
        assertTrue(keyed.isTaken(key));
    }

    @Test
    void hooksOfTheFirstCallAreNotRunAgain() throws SQLException {
        String key = freshKey();
        Chronicle chronicle = new Chronicle();
        try (ConnectTransactRetry engine = keyed.engine(chronicle).build()) {
            for (int call = 0; call < 2; call++) {
                engine.run(options(text(key)), tx -> {
                    tx.afterCommit(() -> chronicle.note("committed"));
                    return "done";
                });
            }
        }
        assertEquals(List.of("committed", REPEAT), chronicle.order(StoredResultReturned.class));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void functionThatThrowsLeavesTheKeyToTheNextCall(boolean claimed) throws SQLException {
        String key = freshKey();
        TransactionOptions options = options(claimed(text(key), claimed));
        IllegalStateException own = new IllegalStateException("no");
        try (ConnectTransactRetry engine = keyed.engine(new Chronicle()).build()) {
            assertEquals(own, assertThrows(IllegalStateException.class, () -> engine.run(options, tx -> {
                KeyedScene.leave(tx, key, "lost");
                throw own;
            })));
            assertFalse(keyed.isTaken(key));
            assertEquals("2", engine.run(options, work(key, "2")));
        }
        assertEquals(List.of("2"), keyed.effects(key));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rollbackOnlyReturnsTheValueAndLeavesTheKey(boolean claimed) throws SQLException {
        String key = freshKey();
        TransactionOptions options = options(claimed(text(key), claimed));
        try (ConnectTransactRetry engine = keyed.engine(new Chronicle()).build()) {
            assertEquals("tried", engine.run(options, tx -> {
                KeyedScene.leave(tx, key, "tried");
                tx.rollbackOnly();
                return "tried";
            }));
            assertFalse(keyed.isTaken(key));
            assertEquals("done", engine.run(options, work(key, "done")));
        }
        assertEquals(List.of("done"), keyed.effects(key));
    }

    static Stream<Arguments> otherCalls() {
        UnaryOperator<TransactionOptions> same = options -> options;
        List<Arguments> plain = List.of(
                arguments(same, (UnaryOperator<TransactionOptions>) options -> options.withLabel("refund"),
                        "label", "\"\"", "\"refund\""),
                arguments(fingerprint("a1"), fingerprint("b2"), "fingerprint", "\"a1\"", "\"b2\""),
                arguments(same, fingerprint("b2"), "fingerprint", "(none)", "\"b2\""),
                arguments(fingerprint("a1"), same, "fingerprint", "\"a1\"", "(none)"),
                arguments(same, (UnaryOperator<TransactionOptions>) options -> options.withIdempotencyKey(
                        options.idempotencyKey().withResult(ResultCodec.bytes())), "codec", "\"text\"", "\"bytes\""));
        return Stream.of(false, true).flatMap(claimed -> plain.stream().map(Arguments::get)
                .map(one -> arguments(claimed, one[0], one[1], one[2], one[3], one[4])));
    }

    private static UnaryOperator<TransactionOptions> fingerprint(String digest) {
        return options -> options.withIdempotencyKey(options.idempotencyKey().withFingerprint(digest));
    }

    @ParameterizedTest
    @MethodSource("otherCalls")
    void keyOfAnotherCallIsAConflictThatNamesBoth(boolean claimed, UnaryOperator<TransactionOptions> first,
                                                  UnaryOperator<TransactionOptions> second, String what, String before, String now)
            throws SQLException {
        String key = freshKey();
        TransactionOptions options = options(claimed(text(key), claimed));
        call(keyed.engine(new Chronicle()), first.apply(options), work(key, "first"));
        Work<Object> other = work(key, "second");
        Chronicle chronicle = new Chronicle();
        IdempotencyConflictException conflict = assertThrows(IdempotencyConflictException.class,
                () -> call(keyed.engine(chronicle), second.apply(options), other));
        for (String named : List.of(key, what, before, now)) {
            assertTrue(conflict.getMessage().contains(named), conflict.getMessage());
        }
        assertFalse(conflict.failures().isEmpty(), "all attempts are kept");
        assertEquals(List.of(), chronicle.all(StoredResultReturned.class));
        assertEquals(0, other.runs());
        assertEquals(List.of("first"), keyed.effects(key));
        // What it was used for can still be had.
        assertEquals("first", call(keyed.engine(new Chronicle()), first.apply(options), other));
    }

    @ParameterizedTest
    @EnumSource(value = OutcomeMode.class, names = {"STATUS", "NONE", "AUTOMATIC"})
    void engineThatWritesNoLedgerRefusesAKeyAndSaysHowToMendIt(OutcomeMode mode) throws SQLException {
        for (boolean claimed : new boolean[] {false, true}) {
            String key = freshKey();
            Work<Object> work = work(key, null);
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class,
                    () -> call(keyed.engine(new Chronicle()).outcome(mode), options(claimed(text(key), claimed)), work));
            for (String named : List.of(key, "OutcomeMode.LEDGER", "CommitLedger.enable")) {
                assertTrue(refused.getMessage().contains(named), refused.getMessage());
            }
            assertEquals(0, work.runs());
            assertFalse(keyed.isTaken(key));
        }
    }

    @Test
    void everyEngineThatWritesTheLedgerTakesKeys() throws SQLException {
        String key = freshKey();
        UnaryOperator<ConnectTransactRetryBuilder> both = engine -> engine.outcome(OutcomeMode.STATUS_THEN_LEDGER);
        UnaryOperator<ConnectTransactRetryBuilder> named = engine -> engine.resolvers(new LedgerResolver(CommitSchema.standard()));
        UnaryOperator<ConnectTransactRetryBuilder> enabled = engine -> engine.outcome(OutcomeMode.AUTOMATIC);
        CommitLedger.standard().enable(keyed.scene().dataSource());
        try {
            for (UnaryOperator<ConnectTransactRetryBuilder> mode : List.of(both, named, enabled)) {
                assertEquals("kept", call(mode.apply(keyed.engine(new Chronicle())), options(text(key)), work(key, "kept")));
                String own = freshKey();
                assertEquals("own", call(mode.apply(keyed.engine(new Chronicle())), options(text(own)), work(own, "own")));
                assertTrue(keyed.isTaken(own));
            }
        } finally {
            CommitLedger.standard().disable(keyed.scene().dataSource());
        }
        assertEquals(List.of("kept"), keyed.effects(key));
    }

    private static TransactionOptions options(IdempotencyKey key) {
        return TransactionOptions.idempotencyKey(key);
    }

    private static IdempotencyKey text(String key) {
        return IdempotencyKey.of(key).withResult(ResultCodec.text());
    }

    private static <T> T call(ConnectTransactRetryBuilder builder, TransactionOptions options, Work<T> work) throws SQLException {
        try (ConnectTransactRetry engine = builder.build()) {
            return engine.run(options, work);
        }
    }

    private static void assertSameResult(Object expected, Object actual) {
        if (expected instanceof byte[] bytes) {
            assertArrayEquals(bytes, (byte[]) actual);
        } else {
            assertEquals(expected, actual);
        }
    }
}
