package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.CommitVerification;
import io.github.connecttransactretry.outcome.CommitVerification.Finding;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.postgresql.ds.PGSimpleDataSource;

/** What a verification does not find on a server that is not the one the COMMIT was sent to proves nothing. */
class WrongServerVerificationTest {

    private final Chronicle chronicle = new Chronicle();
    /** How often the verification was asked. */
    private final AtomicInteger looks = new AtomicInteger();

    /** A primary that was failed over from, and still lives, and the one that has the COMMIT. */
    private abstract static class TwoPrimaries {

        static FailoverScene open() throws SQLException {
            FailoverScene scene = FailoverScene.open(false, 1);
            try {
                scene.addStandby();
                scene.standby().promote();
                scene.proxy().retarget(scene.standby().port());
                scene.proxy().script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
                return scene;
            } catch (SQLException | RuntimeException failed) {
                scene.close();
                throw failed;
            }
        }
    }

    @Test
    void oldPrimaryIsNotAskedAndTheNewOneIs() throws SQLException {
        try (FailoverScene scene = TwoPrimaries.open()) {
            chronicle.onFirst(OutcomeAsked.class, asked -> scene.proxy().retarget(scene.primary().port()));
            Ending ending = CommitScene.running(() -> call(scene, TransactionOptions.defaults()), () -> {
                awaitQuestions(scene);
                assertEquals(0, looks.get(), "the old primary has not got what is looked for");
                scene.proxy().retarget(scene.standby().port());
            });
            chronicle.requireActed();
            ending.returned(1);
            assertInstanceOf(Committed.class, chronicle.only(OutcomeResolved.class).outcome());
            assertEquals(List.of(1), scene.effects(scene.standby()).get(ending.call()));
        }
    }

    @Test
    void oldPrimaryThatAloneAnswersLeavesTheOutcomeUnknown() throws SQLException {
        try (FailoverScene scene = TwoPrimaries.open()) {
            chronicle.onFirst(OutcomeAsked.class, asked -> scene.proxy().retarget(scene.primary().port()));
            Ending ending = call(scene, CommitScene.SHORT);
            chronicle.requireActed();
            ending.unknown();
            assertTrue(reason().contains("older timeline"), this::reason);
            assertEquals(0, looks.get());
            assertEquals(List.of(1), scene.effects(scene.standby()).get(ending.call()));
            assertEquals(null, scene.effects(scene.primary()).get(ending.call()), "nothing is done again on the old one");
        }
    }

    private void awaitQuestions(FailoverScene scene) {
        Await.until("the question", CommitScene.PATIENCE, () -> !chronicle.all(OutcomeAsked.class).isEmpty());
        int before = scene.proxy().sessions();
        Await.until("the question to be repeated", CommitScene.PATIENCE, () -> scene.proxy().sessions() >= before + 4);
    }

    private Ending call(FailoverScene scene, TransactionOptions options) {
        try (ConnectTransactRetry engine = ConnectTransactRetry.builder(() -> scene.standby().connect(scene.proxy().port()))
                .outcome(OutcomeMode.NONE).listener(chronicle).build()) {
            return scene.call(engine, options.withVerification(this::look), "call");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"LEDGER", "STATUS", "NONE"})
    void anotherClusterLeavesTheOutcomeUnknown(OutcomeMode mode) throws SQLException {
        try (CommitScene scene = CommitScene.open(); PostgresServer stranger = PostgresServer.launch()) {
            CommitSchema.standard().install(scene.dataSource());
            CommitScene.execute(stranger, CommitSchema.standard().ddl(), "CREATE TABLE effect (call text, attempt int)");
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            chronicle.onFirst(OutcomeAsked.class, asked -> scene.proxy().retarget(stranger.port()))
                    .onFirst(OutcomeResolved.class, resolved -> scene.proxy().retarget(scene.server().port()));
            Ending ending = scene.call(scene.engine(chronicle).outcome(mode), looking());
            chronicle.requireActed();
            requireUnknownOnce(scene, ending, "another database cluster");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"LEDGER", "STATUS", "NONE"})
    void anotherDatabaseOfTheSameServerLeavesTheOutcomeUnknown(OutcomeMode mode) throws SQLException {
        try (CommitScene scene = CommitScene.open()) {
            CommitSchema.standard().install(scene.dataSource());
            scene.execute("CREATE DATABASE second TEMPLATE template0");
            PGSimpleDataSource second = new PGSimpleDataSource();
            second.setURL(scene.server().jdbcUrl().replace("/postgres", "/second"));
            second.setUser(PostgresServer.SUPERUSER);
            CommitSchema.standard().install(second);
            try (Connection connection = second.getConnection(); Statement create = connection.createStatement()) {
                create.execute("CREATE TABLE effect (call text, attempt int)");
            }
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            Ending ending = scene.call(scene.engine(chronicle).outcome(mode).resolverDataSource(second), looking());
            requireUnknownOnce(scene, ending, "this is second");
        }
    }

    private void requireUnknownOnce(CommitScene scene, Ending ending, String reason) throws SQLException {
        ending.unknown();
        assertTrue(reason().contains(reason), this::reason);
        assertEquals(0, looks.get());
        assertEquals(List.of(1), scene.effects(ending), "an effect too many is what a wrong answer comes to");
    }

    /** What it was given is not its own to close: the answer has yet to be sealed over it. */
    @ParameterizedTest
    @EnumSource(names = {"CUT_BEFORE", "CUT_AFTER"})
    void verificationMayCloseItsConnection(WireAction action) throws SQLException {
        try (CommitScene scene = CommitScene.open()) {
            scene.script(WireScript.once(WireRequest::isCommit, action));
            CommitVerification closing = connection -> {
                try (connection) {
                    return look(connection);
                }
            };
            Ending ending = scene.call(scene.engine(chronicle).outcome(OutcomeMode.NONE),
                    TransactionOptions.defaults().withVerification(closing));
            int attempt = action == WireAction.CUT_AFTER ? 1 : 2;
            ending.returned(attempt);
            assertEquals(1, looks.get());
            assertEquals(List.of(attempt), scene.effects(ending));
        }
    }

    private TransactionOptions looking() {
        return TransactionOptions.defaults().withVerification(this::look);
    }

    /** Whether there is any effect. */
    private Finding look(Connection connection) throws SQLException {
        looks.incrementAndGet();
        try (Statement select = connection.createStatement();
                ResultSet row = select.executeQuery("SELECT count(*) FROM effect")) {
            row.next();
            return row.getInt(1) > 0 ? Finding.COMMITTED : Finding.NOT_COMMITTED;
        }
    }

    private String reason() {
        return assertInstanceOf(Unknown.class, chronicle.only(OutcomeResolved.class).outcome()).reason();
    }
}
