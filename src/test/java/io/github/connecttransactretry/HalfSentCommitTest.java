package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.fixtures.ByteRelay;
import io.github.connecttransactretry.fixtures.ByteRelay.Cut;
import io.github.connecttransactretry.fixtures.ByteRelay.Direction;
import io.github.connecttransactretry.fixtures.ByteRelay.Plan;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A connection falls silent when the server has read that a COMMIT comes, and not the message that has it done. The backend then
 * says of itself that it is busy with a COMMIT, and waits for the rest for as long as TCP does: it may be ended.
 */
class HalfSentCommitTest {

    /** The length of Sync, and of the Execute before it. */
    private static final int SYNC = 5;
    private static final int EXECUTE = 10;

    private static TestDatabase database;

    @BeforeAll
    static void open() throws SQLException {
        database = TestDatabase.launch();
        database.execute("CREATE TABLE effect (attempt int)");
        CommitSchema.standard().install(database.plain(""));
    }

    @AfterAll
    static void close() {
        database.close();
    }

    @ParameterizedTest
    @EnumSource(value = OutcomeMode.class, names = {"STATUS", "LEDGER"})
    void backendThatWaitsForTheRestOfACommitIsEnded(OutcomeMode mode) throws SQLException {
        database.execute("TRUNCATE effect");
        Chronicle chronicle = new Chronicle().onFirst(OutcomeAsked.class, asked -> Await.until("a COMMIT that waits for its rest",
                Duration.ofSeconds(10), () -> database.ask("SELECT state || ' ' || wait_event || ' ' || trim(query)"
                        + " FROM pg_stat_activity WHERE pid = " + asked.evidence().backend().pid())
                        .equals("active ClientRead COMMIT")));
        try (ByteRelay relay = new ByteRelay(database.server().port());
                ConnectTransactRetry engine = ConnectTransactRetry.builder(() -> impatient(relay))
                        .resolverDataSource(database.plain("")).outcome(mode).listener(chronicle).build()) {
            Plan whole = Plan.none();
            engine.run(tx -> append(tx, () -> relay.cutNow(whole)));
            relay.awaitEnd();
            // Before Execute and Sync, which the driver's farewell follows.
            long offset = whole.passed(Direction.CLIENT_TO_SERVER) - SYNC - SYNC - EXECUTE;
            Plan half = new Plan(Direction.CLIENT_TO_SERVER, offset, Cut.SILENCE);
            int attempt = engine.run(tx -> append(tx, () -> relay.cutNow(half)));
            assertEquals(2, attempt);
            assertTrue(half.reached());
        }
        chronicle.requireActed();
        assertInstanceOf(NotCommitted.class, chronicle.only(OutcomeResolved.class).outcome());
        assertEquals(BackendFence.Result.TERMINATED, chronicle.all(Fenced.class).get(0).result(), chronicle.toString());
        assertEquals("1,2", database.ask("SELECT string_agg(attempt::text, ',' ORDER BY attempt) FROM effect"));
    }

    /** It notices the silence long before the call's time is over. */
    private static Connection impatient(ByteRelay relay) throws SQLException {
        Connection connection = database.server().connect(relay.port());
        connection.setNetworkTimeout(Runnable::run, 1000);
        return connection;
    }

    /** What is done with the first attempt's connection. */
    private interface First {
        void act() throws SQLException;
    }

    private static int append(Transaction tx, First first) throws SQLException {
        if (tx.attempt() == 1) {
            first.act();
        }
        try (Connection connection = tx.connection(); Statement insert = connection.createStatement()) {
            insert.execute("INSERT INTO effect VALUES (" + tx.attempt() + ")");
        }
        return tx.attempt();
    }
}
