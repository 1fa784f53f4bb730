package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.TimeZone;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sessions that are nowhere near UTC, of a role that may do next to nothing. */
@Tag("matrix")
class SessionZoneTest {

    private static final TimeZone OF_THE_JVM = TimeZone.getDefault();

    private static CommitScene scene;

    private final Chronicle chronicle = new Chronicle();

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        CommitSchema.standard().install(scene.dataSource());
        scene.server().createLoginRole("app");
        scene.execute("GRANT SELECT, INSERT ON effect TO app");
        CommitSchema.standard().grant(scene.dataSource(), "app");
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @AfterEach
    void backHome() {
        TimeZone.setDefault(OF_THE_JVM);
        scene.script(WireScript.pass());
        scene.releaseHeld();
    }

    /** The driver asks for the zone of its JVM, whatever the server's is. */
    @Test
    void sessionHasTheZoneOfTheJvm() throws SQLException {
        AtomicReference<String> zone = new AtomicReference<>();
        Ending ending = scene.call(scene.engine(chronicle, "app"), TransactionOptions.defaults(),
                tx -> zone.set(ask(tx.connection(), "SHOW timezone")));
        ending.returned(1);
        assertEquals("Pacific/Chatham", OF_THE_JVM.getID(), "the build gives the JVM of the tests a zone far from UTC");
        assertEquals("Pacific/Chatham", zone.get());
        assertEquals("Asia/Kathmandu", scene.ask("SELECT setting FROM pg_file_settings WHERE lower(name) = 'timezone' AND applied"));
        assertNotEquals("0", scene.ask("SELECT extract(timezone FROM now())::int"));
    }

    /** Whoever asks for the outcome has another zone than the transaction had: another process, or a machine elsewhere. */
    @ParameterizedTest
    @CsvSource({"STATUS, CUT_AFTER", "STATUS, HOLD_AND_CUT", "LEDGER, CUT_AFTER", "LEDGER, HOLD_AND_CUT"})
    void outcomeIsFoundFromAnotherZone(OutcomeMode mode, WireAction loss) throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, loss));
        chronicle.onFirst(OutcomeAsked.class, asked -> TimeZone.setDefault(TimeZone.getTimeZone("America/St_Johns")));
        Ending ending = scene.call(scene.engine(chronicle, "app").outcome(mode));
        chronicle.requireActed();
        boolean committed = loss == WireAction.CUT_AFTER;
        ending.returned(committed ? 1 : 2);
        assertEquals(committed, chronicle.only(OutcomeResolved.class).outcome() instanceof Committed, chronicle.toString());
        assertEquals(!committed, chronicle.all(Fenced.class).stream().anyMatch(fenced -> fenced.result() == Result.TERMINATED),
                chronicle.toString());
        scene.releaseHeld();
        assertEquals(List.of(ending.attempt()), scene.effects(ending));
    }

    private static String ask(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }
}
