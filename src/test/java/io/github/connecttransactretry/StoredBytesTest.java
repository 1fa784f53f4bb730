package io.github.connecttransactretry;

import static io.github.connecttransactretry.KeyedScene.claimed;
import static io.github.connecttransactretry.KeyedScene.freshKey;
import static io.github.connecttransactretry.KeyedScene.work;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.connecttransactretry.KeyedScene.Work;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import java.sql.SQLException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.postgresql.ds.PGSimpleDataSource;
import org.postgresql.jdbc.PreferQueryMode;

/** A stored result is what was stored, byte for byte, however the session writes and reads its literals. */
class StoredBytesTest {

    private static final String AWKWARD = "a\\b \\\\ \\x41 \\047 'q' \"d\" \\";

    private static KeyedScene keyed;

    @BeforeAll
    static void open() throws SQLException {
        keyed = KeyedScene.open();
    }

    @AfterAll
    static void close() {
        keyed.close();
    }

    static Stream<Arguments> sessions() {
        return Stream.of(PreferQueryMode.SIMPLE, PreferQueryMode.EXTENDED).flatMap(mode -> Stream.of("on", "off")
                .flatMap(conforming -> Stream.of("hex", "escape").flatMap(output -> Stream.of(true, false)
                        .map(claimed -> Arguments.of(mode, conforming, output, claimed)))));
    }

    @ParameterizedTest
    @MethodSource("sessions")
    void everyByteAndBackslashAndQuoteSurvives(PreferQueryMode mode, String conforming, String output, boolean claimed)
            throws SQLException {
        byte[] all = new byte[256];
        IntStream.range(0, all.length).forEach(i -> all[i] = (byte) i);
        try (ConnectTransactRetry engine = engine(mode, conforming, output)) {
            assertArrayEquals(all, repeated(engine, key(claimed).withResult(ResultCodec.bytes()), all));
            assertArrayEquals(new byte[0], repeated(engine, key(claimed).withResult(ResultCodec.bytes()), new byte[0]));
            assertEquals(AWKWARD, repeated(engine, key(claimed).withResult(ResultCodec.text()), AWKWARD));
        }
    }

    private static IdempotencyKey key(boolean claimed) {
        return claimed(IdempotencyKey.of(AWKWARD + freshKey()).withFingerprint(AWKWARD), claimed);
    }

    /** What the second call with a key returns. */
    private static <T> T repeated(ConnectTransactRetry engine, IdempotencyKey key, T value) throws SQLException {
        TransactionOptions options = TransactionOptions.idempotencyKey(key).withLabel(AWKWARD);
        Work<T> work = work(freshKey(), value);
        engine.run(options, work);
        T stored = engine.run(options, work);
        assertEquals(1, work.runs());
        return stored;
    }

    private static ConnectTransactRetry engine(PreferQueryMode mode, String conforming, String output) {
        CommitScene scene = keyed.scene();
        PGSimpleDataSource sessions = scene.dataSource(scene.proxy().port(), PostgresServer.SUPERUSER);
        sessions.setOptions("-c standard_conforming_strings=" + conforming + " -c bytea_output=" + output);
        sessions.setPreferQueryMode(mode);
        return ConnectTransactRetry.builder(() -> sessions.getConnection()).outcome(OutcomeMode.LEDGER).build();
    }
}
