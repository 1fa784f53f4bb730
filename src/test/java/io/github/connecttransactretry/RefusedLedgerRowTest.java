package io.github.connecttransactretry;

import static io.github.connecttransactretry.LedgerCase.first;
import static io.github.connecttransactretry.LedgerCase.inFunction;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.LedgerCase.Setting;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import java.sql.SQLException;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A COMMIT whose row the server refuses never commits, however the driver is set up, and its connection goes back to the pool
 * as it was taken.
 */
class RefusedLedgerRowTest {

    private static final List<Integer> NO_EFFECT = List.of();
    private static final List<String> NO_ROW = List.of();
    private static final List<String> ONE_ROW = List.of("committed");

    private static LedgerCases cases;

    @BeforeAll
    static void open() throws SQLException {
        cases = new LedgerCases();
    }

    @AfterAll
    static void close() throws SQLException {
        cases.close();
    }

    static Stream<Setting> settings() {
        return LedgerCase.everySetting();
    }

    static Stream<Setting> serializableSettings() {
        return settings().filter(setting -> setting.isolation() == Isolation.SERIALIZABLE);
    }

    @ParameterizedTest
    @MethodSource("settings")
    void tokenThatIsTakenIsRepeatedWithAnother(Setting setting) throws SQLException {
        UUID taken = UUID.randomUUID();
        Iterator<UUID> tokens = List.of(UUID.randomUUID(), taken, UUID.randomUUID()).iterator();
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().tokens(tokens::next).build()) {
            ledger.warm(engine);
            ledger.execute("INSERT INTO " + ledger.schema().ledger() + " (token, kind) VALUES ('" + taken + "', 'tombstone')");
            int returned = engine.run(ledger.options(), tx -> {
                ledger.append(tx);
                return tx.attempt();
            });
            assertEquals(2, returned);
            AttemptFailure failure = ledger.chronicle().only(AttemptFailed.class).failure();
            assertEquals(List.of(Phase.COMMIT, "23505"), List.of(failure.phase(), failure.sqlState()));
            ledger.requireCommitted(List.of(2), List.of("committed", "tombstone"));
            assertEquals("tombstone",
                    ledger.ask("SELECT kind FROM " + ledger.schema().ledger() + " WHERE token = '" + taken + "'"));
            requireNeverInDoubt(ledger);
            ledger.requireIdlePool();
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void roleThatTheFunctionTakesOnWithoutRights(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build()) {
            ledger.warm(engine);
            for (String how : List.of("SET LOCAL ROLE nobody", "SET ROLE nobody")) {
                TransactionRefusedException refused = refused(ledger, engine, ledger.options(), how);
                requireNames(refused, ledger.schema().ledger(), "GRANT", "schema.sql", "SET ROLE");
                assertEquals("42501", ((SQLException) refused.getCause()).getSQLState());
                requireNothing(ledger);
            }
            requireNextCallCommits(ledger, engine);
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void roleThatTheFunctionTakesOnWithoutRightsAfterTheKeyWasClaimed(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build()) {
            ledger.warm(engine);
            TransactionOptions claimed = ledger.options().withIdempotencyKey(
                    IdempotencyKey.of("claimed").withResult(ResultCodec.text()).claimedFirst());
            requireNames(refused(ledger, engine, claimed, "SET LOCAL ROLE nobody"), ledger.schema().ledger(), "GRANT",
                    "schema.sql");
            requireNothing(ledger);
            requireNextCallCommits(ledger, engine);
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void tableRenamedAfterItWasSeen(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build()) {
            ledger.warm(engine);
            String there = ledger.schema().ledger();
            ledger.execute("ALTER TABLE " + there + " RENAME TO away");
            TransactionRefusedException refused = refused(ledger, engine, ledger.options(), "SELECT 1");
            requireNames(refused, there, "schema.sql");
            assertEquals("42P01", ((SQLException) refused.getCause()).getSQLState());
            ledger.execute("ALTER TABLE connect_transact_retry.away RENAME TO " + there.substring(there.indexOf('.') + 1));
            requireNothing(ledger);
            requireNextCallCommits(ledger, engine);
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void tableDroppedWhileTheFunctionRuns(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build()) {
            ledger.warm(engine);
            String there = ledger.schema().ledger();
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class,
                    () -> engine.execute(ledger.options(), tx -> {
                        ledger.append(tx);
                        ledger.execute("DROP TABLE " + there);
                    }));
            requireNames(refused, there, "schema.sql");
            ledger.schema().install(cases.scene().dataSource());
            ledger.schema().grant(cases.scene().dataSource(), LedgerCase.APP);
            requireNothing(ledger);
            requireNextCallCommits(ledger, engine);
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void rowSecurityWithoutAPolicyAndWithOne(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build()) {
            ledger.warm(engine);
            String there = ledger.schema().ledger();
            ledger.execute("ALTER TABLE " + there + " ENABLE ROW LEVEL SECURITY");
            requireNames(refused(ledger, engine, ledger.options(), "SELECT 1"), there, "row security", "policy");
            requireNothing(ledger);
            ledger.execute("CREATE POLICY all_rows ON " + there + " TO app USING (true) WITH CHECK (true)");
            requireNextCallCommits(ledger, engine);
            ledger.execute("DROP POLICY all_rows ON " + there, "ALTER TABLE " + there + " DISABLE ROW LEVEL SECURITY");
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void deferredConstraintOfTheUsersOwnIsTheUsers(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build()) {
            ledger.warm(engine);
            // Named as the ledger's table is, in another schema.
            String twin = ledger.schema().ledgerTable();
            ledger.execute("DROP TABLE IF EXISTS " + twin + ", " + twin + "_closed");
            ledger.execute("CREATE TABLE " + twin + " (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
                    "GRANT ALL ON " + twin + " TO app");
            for (TransactionOptions options : List.of(ledger.options(),
                    ledger.options().withIdempotencyKey(IdempotencyKey.of("k").withResult(ResultCodec.text())),
                    ledger.options().withIdempotencyKey(IdempotencyKey.of("k").withResult(ResultCodec.text()).claimedFirst()))) {
                TransactionFailedException failed = assertThrows(TransactionFailedException.class,
                        () -> engine.run(options, tx -> {
                            ledger.append(tx);
                            inFunction(tx, "INSERT INTO " + twin + " VALUES (1), (1)");
                            return "done";
                        }));
                assertEquals("23505", ((SQLException) failed.getCause()).getSQLState());
                assertTrue(failed.getCause().getMessage().contains(twin + "_n_key"), failed.getCause().getMessage());
                assertEquals(List.of(Phase.COMMIT), failed.failures().stream().map(AttemptFailure::phase).toList());
                requireNothing(ledger);
            }
            requireNextCallCommits(ledger, engine);
        }
    }

    @ParameterizedTest
    @MethodSource("settings")
    void whatTheFunctionItselfRunsIntoReachesTheCallerUnchanged(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build()) {
            ledger.warm(engine);
            String twin = ledger.schema().ledgerTable();
            ledger.execute("DROP TABLE IF EXISTS " + twin + ", " + twin + "_closed");
            ledger.execute("CREATE TABLE " + twin + " (n int UNIQUE)", "GRANT ALL ON " + twin + " TO app",
                    "CREATE TABLE " + twin + "_closed (n int)");
            for (String[] statement : new String[][] {{"INSERT INTO " + twin + " VALUES (1), (1)", "23505"},
                {"INSERT INTO " + twin + "_closed VALUES (1)", "42501"}, {"INSERT INTO " + twin + "_absent VALUES (1)", "42P01"},
                {"SELECT absent FROM " + twin, "42703"}, {"SELECT 1 / 0", "22012"}}) {
                SQLException thrown = assertThrows(SQLException.class, () -> engine.execute(ledger.options(), tx -> {
                    ledger.append(tx);
                    inFunction(tx, statement[0]);
                }));
                assertEquals(statement[1], thrown.getSQLState());
                requireNothing(ledger);
            }
            assertEquals(5, ledger.chronicle().all(AttemptFailed.class).size(), ledger.chronicle().toString());
            requireNextCallCommits(ledger, engine);
        }
    }

    @ParameterizedTest
    @MethodSource("serializableSettings")
    void writeSkewIsRefusedWithTheRowAndRepeated(Setting setting) throws SQLException {
        LedgerCase ledger = cases.of(setting);
        try (ConnectTransactRetry engine = ledger.engine().build(); ConnectTransactRetry other = ledger.elsewhere().build()) {
            ledger.warm(engine);
            String duty = ledger.schema().ledgerTable() + "_duty";
            ledger.execute("CREATE TABLE " + duty + " (who text, present boolean)", "GRANT ALL ON " + duty + " TO app",
                    "INSERT INTO " + duty + " VALUES ('a', true), ('b', true)");
            String count = "SELECT count(*) FROM " + duty + " WHERE present";
            String leave = "UPDATE " + duty + " SET present = false WHERE who = ";
            assertEquals("attempt 2 saw 1", engine.run(ledger.options(), tx -> {
                String seen = first(tx.connection(), count);
                ledger.append(tx);
                if (seen.equals("2")) {
                    inFunction(tx, leave + "'a'");
                    other.execute(TransactionOptions.serializable(), meanwhile -> {
                        assertEquals("2", first(meanwhile.connection(), count));
                        inFunction(meanwhile, leave + "'b'");
                    });
                }
                return "attempt " + tx.attempt() + " saw " + seen;
            }));
            AttemptFailure failure = ledger.chronicle().only(AttemptFailed.class).failure();
            assertEquals(List.of(Phase.COMMIT, "40001"), List.of(failure.phase(), failure.sqlState()));
            assertEquals("1", ledger.ask(count));
            ledger.requireCommitted(List.of(2), List.of("committed", "committed"));
            requireNeverInDoubt(ledger);
            ledger.requireIdlePool();
        }
    }

    /** A call whose function leaves an effect and then runs a statement, and whose COMMIT is refused at the first attempt. */
    private static TransactionRefusedException refused(LedgerCase ledger, ConnectTransactRetry engine, TransactionOptions options,
                                                       String last) {
        TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> engine.run(options, tx -> {
            ledger.append(tx);
            inFunction(tx, last);
            return "done";
        }));
        assertEquals(List.of(Phase.COMMIT), refused.failures().stream().map(AttemptFailure::phase).toList());
        return refused;
    }

    private static void requireNames(TransactionRefusedException refused, String... wanted) {
        for (String text : wanted) {
            assertTrue(refused.getMessage().contains(text), () -> text + " is not in: " + refused.getMessage());
        }
    }

    /** No effect, no row, no doubt, and the connection is as it was. */
    private static void requireNothing(LedgerCase ledger) throws SQLException {
        ledger.requireCommitted(NO_EFFECT, NO_ROW);
        requireNeverInDoubt(ledger);
        ledger.requireIdlePool();
    }

    private static void requireNeverInDoubt(LedgerCase ledger) {
        assertEquals(List.of(), ledger.chronicle().all(OutcomeAsked.class));
    }

    private static void requireNextCallCommits(LedgerCase ledger, ConnectTransactRetry engine) throws SQLException {
        engine.execute(ledger.options(), ledger::append);
        ledger.requireCommitted(List.of(1), ONE_ROW);
        ledger.requireIdlePool();
    }
}
