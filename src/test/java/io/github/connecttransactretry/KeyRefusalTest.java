package io.github.connecttransactretry;

import static io.github.connecttransactretry.KeyedScene.claimed;
import static io.github.connecttransactretry.KeyedScene.freshKey;
import static io.github.connecttransactretry.KeyedScene.work;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.KeyedScene.Work;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.TransactionEvent.StoredResultReturned;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Keys that cannot be kept, and results that cannot be stored or read again. */
class KeyRefusalTest {

    private static final String ELEPHANT = "🐘";

    private static KeyedScene keyed;

    @BeforeAll
    static void open() throws SQLException {
        keyed = KeyedScene.open();
    }

    @AfterAll
    static void close() {
        keyed.close();
    }

    /** A codec that can be made to fail in either direction. */
    private record Codec(String name, Function<String, byte[]> encoder, Function<byte[], String> decoder)
            implements ResultCodec<String> {

        @Override
        public byte[] encode(String value) {
            return encoder.apply(value);
        }

        @Override
        public String decode(byte[] stored) {
            return decoder.apply(stored);
        }

        static byte[] utf8(String value) {
            return value.getBytes(StandardCharsets.UTF_8);
        }

        static String string(byte[] stored) {
            return new String(stored, StandardCharsets.UTF_8);
        }

        static <A, B> Function<A, B> failing(RuntimeException thrown) {
            return in -> {
                throw thrown;
            };
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void resultWithoutACodecIsRefusedBeforeAnythingIsCommitted(boolean claimed) throws SQLException {
        String key = freshKey();
        TransactionRefusedException refused = requireRefused(claimed(IdempotencyKey.of(key), claimed), work(key, "a value"));
        assertTrue(refused.getMessage().contains("withResult(ResultCodec.text())"), refused.getMessage());
        assertTrue(refused.getMessage().contains(key) && refused.getMessage().contains("String"), refused.getMessage());
        call(IdempotencyKey.of(key), work(key, null));
        assertEquals(List.of("null"), keyed.effects(key));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void resultOfAnotherTypeThanTheCodecsIsRefusedBeforeAnythingIsCommitted(boolean claimed) throws SQLException {
        String key = freshKey();
        TransactionRefusedException refused = requireRefused(claimed(text(key), claimed), work(key, 42));
        assertInstanceOf(ClassCastException.class, refused.getCause());
        for (String named : List.of(key, "the codec text", "nothing was committed", "the function's type is not the codec's")) {
            assertTrue(refused.getMessage().contains(named), refused.getMessage());
        }
        assertEquals("right", call(text(key), work(key, "right")));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void codecThatThrowsOnEncodeIsRefusedBeforeAnythingIsCommitted(boolean claimed) throws SQLException {
        String key = freshKey();
        IllegalStateException own = new IllegalStateException("too long");
        ResultCodec<String> codec = new Codec("weak", Codec.failing(own), Codec::string);
        TransactionRefusedException refused = requireRefused(claimed(IdempotencyKey.of(key).withResult(codec), claimed),
                work(key, "value"));
        assertSame(own, refused.getCause());
        assertTrue(refused.getMessage().contains("weak") && refused.getMessage().contains("too long"), refused.getMessage());
    }

    /** Else the value would be kept as null, and a repeat would return that. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void codecThatEncodesAValueAsNullIsRefusedBeforeAnythingIsCommitted(boolean claimed) throws SQLException {
        String key = freshKey();
        ResultCodec<String> codec = new Codec("empty", value -> null, Codec::string);
        TransactionRefusedException refused = requireRefused(claimed(IdempotencyKey.of(key).withResult(codec), claimed),
                work(key, "value"));
        assertTrue(refused.getMessage().contains("null"), refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void errorOutOfACodecRollsBackAndPassesThrough(boolean claimed) throws SQLException {
        String key = freshKey();
        StackOverflowError own = new StackOverflowError();
        ResultCodec<String> codec = new Codec("deep", value -> {
            throw own;
        }, Codec::string);
        assertSame(own, assertThrows(StackOverflowError.class,
                () -> call(claimed(IdempotencyKey.of(key).withResult(codec), claimed), work(key, "value"))));
        assertEquals(List.of(), keyed.effects(key));
        assertFalse(keyed.isTaken(key));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void resultThatCannotBeDecodedIsRefusedAndTheWorkIsNotDoneAgain(boolean claimed) throws SQLException {
        String key = freshKey();
        IllegalStateException own = new IllegalStateException("garbled");
        ResultCodec<String> codec = new Codec("lossy", Codec::utf8, Codec.failing(own));
        IdempotencyKey lossy = claimed(IdempotencyKey.of(key).withResult(codec), claimed);
        assertEquals("first", call(lossy, work(key, "first")));
        Work<String> second = work(key, "second");
        Chronicle chronicle = new Chronicle();
        TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> call(chronicle, lossy, second));
        assertSame(own, refused.getCause());
        for (String named : List.of(key, "lossy", "took effect before", "garbled")) {
            assertTrue(refused.getMessage().contains(named), refused.getMessage());
        }
        assertEquals(0, second.runs());
        assertEquals(List.of(), chronicle.all(StoredResultReturned.class));
        // A codec of the same name that can read it mends it.
        ResultCodec<String> mended = new Codec("lossy", Codec::utf8, Codec::string);
        assertEquals("first", call(IdempotencyKey.of(key).withResult(mended), second));
        assertEquals(List.of("first"), keyed.effects(key));
    }

    static Stream<String> unusualKeys() {
        return Stream.of(ELEPHANT.repeat(IdempotencyKey.LONGEST), "x".repeat(IdempotencyKey.LONGEST), "Größe 表 ﷽ e\u0301",
                "'; DROP TABLE work; --", "\"quoted\" \\ $1 ? :a {d}", "a\nb\tc", " leading", "\u00a0\u00a0", "\uffff\uffff");
    }

    @ParameterizedTest
    @MethodSource("unusualKeys")
    void unusualKeysAreKept(String key) throws SQLException {
        for (boolean claimed : new boolean[] {false, true}) {
            String mine = claimed ? key.substring(0, key.length() - Character.charCount(key.codePointBefore(key.length()))) + "c" : key;
            IdempotencyKey full = claimed(text(mine).withFingerprint(key), claimed);
            for (int call = 1; call <= 2; call++) {
                assertEquals("1", call(full, work(mine, "" + call)));
            }
            assertEquals(List.of("1"), keyed.effects(mine));
        }
    }

    @Test
    void keysThatDifferAtAllAreDifferentKeys() throws SQLException {
        List<String> alike = List.of("alike", "Alike", "alike ", " alike", "\u00e9alike", "e\u0301alike", "alike\u00a0");
        for (String key : alike) {
            assertEquals(key, call(text(key), work(key, key)));
        }
        for (String key : alike) {
            assertEquals(key, call(text(key), work(key, "again")));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "\t\n", "\u2003"})
    void blankKeyIsRefused(String key) {
        assertRefused("the idempotency key is blank: give one", () -> IdempotencyKey.of(key));
        assertRefused("the idempotency key is blank: give one", () -> TransactionOptions.idempotencyKey(key));
    }

    @Test
    void nullsAreRefusedByName() {
        assertEquals("the idempotency key is null: give one, for example the payment's number",
                assertThrows(NullPointerException.class, () -> IdempotencyKey.of(null)).getMessage());
        IdempotencyKey key = IdempotencyKey.of("k");
        assertTrue(assertThrows(NullPointerException.class, () -> key.withFingerprint(null)).getMessage().contains("fingerprint"));
        assertTrue(assertThrows(NullPointerException.class, () -> key.withResult(null)).getMessage().contains("codec is null"));
        assertTrue(assertThrows(NullPointerException.class, () -> key.withResult(new Codec(null, Codec::utf8, Codec::string)))
                .getMessage().contains("name is null"));
        assertTrue(assertThrows(NullPointerException.class, () -> TransactionOptions.defaults().withIdempotencyKey(null))
                .getMessage().contains("idempotencyKey is null"));
    }

    @Test
    void keyThatIsTooLongIsRefusedWithItsLength() {
        assertRefused("has 256 characters, and the ledger's column holds 255", () -> IdempotencyKey.of("x".repeat(256)));
        assertRefused("has 256 characters", () -> IdempotencyKey.of(ELEPHANT.repeat(256)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"a\0b", "\ud83d", "\udc18\ud83d", "half \ud83d a pair"})
    void textThatPostgresCannotKeepIsRefused(String text) {
        IdempotencyKey key = IdempotencyKey.of("k");
        assertRefused("idempotency key has a NUL or half a surrogate pair", () -> IdempotencyKey.of(text));
        assertRefused("idempotency fingerprint has a NUL or half", () -> key.withFingerprint(text));
        assertRefused("idempotency codec's name has a NUL or half", () -> key.withResult(new Codec(text, Codec::utf8, Codec::string)));
    }

    /** The label goes into the row as well, where it would end the COMMIT in a client's error, which is in doubt. */
    @ParameterizedTest
    @ValueSource(strings = {"a\0b", "\ud83d"})
    void labelThatPostgresCannotKeepIsRefusedForAKeyedCall(String label) {
        assertRefused("label", () -> TransactionOptions.idempotencyKey("k").withLabel(label));
        assertRefused("label", () -> TransactionOptions.defaults().withLabel(label).withIdempotencyKey(IdempotencyKey.of("k")));
    }

    @Test
    void readOnlyCallCannotHaveAKey() {
        assertRefused("a read-only call writes no row", () -> TransactionOptions.readOnly().withIdempotencyKey(IdempotencyKey.of("k")));
        assertRefused("a read-only call writes no row", () -> TransactionOptions.idempotencyKey("k").withAccess(Access.READ_ONLY));
        assertRefused("a read-only call writes no row", () -> TransactionOptions.idempotencyKey("k").asDeferrable());
    }

    private static void assertRefused(String says, Executable making) {
        String message = assertThrows(IllegalArgumentException.class, making).getMessage();
        assertTrue(message.contains(says), message);
    }

    private static <T> TransactionRefusedException requireRefused(IdempotencyKey key, Work<T> work) throws SQLException {
        TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> call(key, work));
        assertEquals(1, work.runs(), "a refusal is not repeated");
        assertEquals(List.of(), keyed.effects(key.key()));
        assertFalse(keyed.isTaken(key.key()));
        return refused;
    }

    private static IdempotencyKey text(String key) {
        return IdempotencyKey.of(key).withResult(ResultCodec.text());
    }

    private static <T> T call(IdempotencyKey key, Work<T> work) throws SQLException {
        return call(new Chronicle(), key, work);
    }

    private static <T> T call(Chronicle chronicle, IdempotencyKey key, Work<T> work) throws SQLException {
        try (ConnectTransactRetry engine = keyed.engine(chronicle).build()) {
            return engine.run(TransactionOptions.idempotencyKey(key), work);
        }
    }
}
