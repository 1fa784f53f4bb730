package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An error that a deferred trigger of the application's own raises at COMMIT is the application's, and not the ledger's. */
class UserTriggerAtCommitTest {

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        CommitSchema.standard().install(scene.dataSource());
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    /** What a call leaves in the ledger. */
    enum Call {
        PLAIN, KEYED, CLAIMED_WITHOUT_A_RESULT;

        TransactionOptions options() {
            IdempotencyKey key = IdempotencyKey.of("key");
            return this == PLAIN ? TransactionOptions.defaults()
                    : TransactionOptions.idempotencyKey(this == KEYED ? key : key.claimedFirst());
        }
    }

    @ParameterizedTest
    @CsvSource({"22012, PLAIN", "22012, KEYED", "22012, CLAIMED_WITHOUT_A_RESULT", "42501, CLAIMED_WITHOUT_A_RESULT",
        "42P01, CLAIMED_WITHOUT_A_RESULT"})
    void triggersErrorIsTheSameWithALedger(String sqlState, Call call) throws SQLException {
        scene.execute("CREATE OR REPLACE FUNCTION boom() RETURNS trigger LANGUAGE plpgsql AS"
                + " $$ BEGIN RAISE EXCEPTION 'not on Sundays' USING ERRCODE = '" + sqlState + "'; END $$",
                "DROP TRIGGER IF EXISTS boom ON effect",
                "CREATE CONSTRAINT TRIGGER boom AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                + " EXECUTE FUNCTION boom()");
        Throwable without = thrown(OutcomeMode.STATUS, TransactionOptions.defaults());
        Throwable with = thrown(OutcomeMode.LEDGER, call.options());
        assertEquals(TransactionFailedException.class, without.getClass());
        assertEquals(without.getClass(), with.getClass(), with::toString);
        assertEquals(sqlState, SqlState.of(with.getCause()).orElse(""));
        assertFalse(with.getMessage().contains("commit_ledger"), with::getMessage);
        assertEquals("0", scene.ask("SELECT count(*) FROM effect"));
        assertEquals("0", scene.ask("SELECT count(*) FROM connect_transact_retry.commit_ledger"));
    }

    private static Throwable thrown(OutcomeMode mode, TransactionOptions options) {
        try (ConnectTransactRetry engine = scene.engine(new Chronicle()).outcome(mode).build()) {
            return assertThrows(TransactionRetryException.class, () -> engine.execute(options, tx -> {
                try (Statement insert = tx.connection().createStatement()) {
                    insert.execute("INSERT INTO effect VALUES ('sunday', " + tx.attempt() + ")");
                }
            }));
        }
    }
}
