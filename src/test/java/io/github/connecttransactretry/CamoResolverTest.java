package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.observe.TransactionEvent.Fenced;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.BackendFence.Result;
import io.github.connecttransactretry.outcome.CamoResolver;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.EvidenceStatement;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import io.github.connecttransactretry.outcome.ServerSession;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * Two real servers, each with a function of the name and signature of PGD's that says what the test tells it to: what the
 * resolver makes of the answers is tested, and not PGD.
 */
class CamoResolverTest {

    private static final String ORIGIN = "2232128708";
    private static final String PARTNER = "4058684375";

    private static CommitScene scene;
    private static PostgresServer partner;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        partner = PostgresServer.builder().setting("fsync", "off").launch();
        makeNode(scene.server(), ORIGIN);
        makeNode(partner, PARTNER);
    }

    @AfterAll
    static void close() {
        partner.close();
        scene.close();
    }

    @BeforeEach
    void passAll() {
        scene.script(WireScript.pass());
    }

    /** The n-th asking gets the n-th answer, and the last one stays; what is asked is noted in the asking transaction. */
    private static void makeNode(PostgresServer server, String node) throws SQLException {
        CommitScene.execute(server, "CREATE SCHEMA bdr", "CREATE TABLE bdr.asked (node oid, xid oid, camo boolean)",
                "CREATE TABLE bdr.answer (n int, says text)", "CREATE SEQUENCE bdr.calls",
                "CREATE FUNCTION bdr.logical_transaction_status(node_id oid, xid oid, require_camo_partner boolean DEFAULT true)"
                + " RETURNS text LANGUAGE plpgsql AS $$ DECLARE this int := nextval('bdr.calls'); word text; BEGIN"
                + " INSERT INTO bdr.asked VALUES (node_id, xid, require_camo_partner);"
                + " SELECT says INTO word FROM bdr.answer WHERE n <= this ORDER BY n DESC LIMIT 1;"
                + " IF word LIKE 'error %' THEN RAISE EXCEPTION USING ERRCODE = right(word, 5); END IF;"
                + " RETURN word; END $$",
                "ALTER DATABASE postgres SET bdr.local_node_id = '" + node + "'");
    }

    private static void says(PostgresServer server, String... answers) throws SQLException {
        CommitScene.execute(server, "TRUNCATE bdr.asked, bdr.answer", "SELECT setval('bdr.calls', 1, false)");
        for (int i = 0; i < answers.length; i++) {
            String word = answers[i] == null ? "NULL" : "'" + answers[i] + "'";
            CommitScene.execute(server, "INSERT INTO bdr.answer VALUES (" + (i + 1) + ", " + word + ")");
        }
    }

    private static String asked(PostgresServer server) throws SQLException {
        return CommitScene.ask(server, "SELECT coalesce(string_agg(concat_ws(' ', node, xid, camo), ', '), '') FROM bdr.asked");
    }

    private static PGSimpleDataSource towards(PostgresServer server) {
        return scene.dataSource(server.port(), PostgresServer.SUPERUSER);
    }

    private static ConnectTransactRetryBuilder askingPartner(Chronicle chronicle) {
        return scene.engine(chronicle).resolverDataSource(towards(partner));
    }

    private static Chronicle crashing() {
        return new Chronicle().onFirst(OutcomeAsked.class, asked -> {
            scene.server().crash();
            scene.server().start();
        });
    }

    private static String idOf(CommitEvidence evidence) {
        return Long.toString(evidence.transactionId() & 0xFFFF_FFFFL);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void commitBeforeACrashOfItsNodeIsKnownToThePartner(boolean afterStatus) throws SQLException {
        says(partner, "committed");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = crashing();
        Ending ending = scene.call(chained(chronicle, afterStatus));
        chronicle.requireActed();
        ending.returned(1);
        OutcomeResolved resolved = chronicle.only(OutcomeResolved.class);
        assertEquals("camo", resolved.resolver());
        assertEquals(List.of(1), scene.effects(ending));
        assertEquals(ORIGIN, resolved.evidence().node());
        assertEquals(ORIGIN + " " + idOf(resolved.evidence()) + " t", asked(partner), "asked once, and kept");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void commitThatThePartnerNeverReceivedGoesAgain(boolean afterStatus) throws SQLException {
        says(partner, "aborted");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = crashing();
        Ending ending = scene.call(chained(chronicle, afterStatus));
        chronicle.requireActed();
        ending.returned(2);
        assertEquals("camo", chronicle.only(OutcomeResolved.class).resolver());
        assertEquals(List.of(2), scene.effects(ending));
        assertEquals(ORIGIN + " " + idOf(chronicle.only(OutcomeAsked.class).evidence()) + " t", asked(partner),
                "asking decides, and the decision has to stay");
    }

    private static ConnectTransactRetryBuilder chained(Chronicle chronicle, boolean afterStatus) {
        ConnectTransactRetryBuilder engine = askingPartner(chronicle);
        return afterStatus ? engine.outcome(OutcomeMode.STATUS, new CamoResolver()) : engine.resolvers(new CamoResolver());
    }

    @Test
    void nodeItselfIsBelievedInTheSameLife() throws SQLException {
        says(scene.server(), "committed");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Ending ending = scene.call(scene.engine(new Chronicle()).resolvers(new CamoResolver()));
        ending.returned(1);
        assertEquals(List.of(1), scene.effects(ending));
    }

    @Test
    void nodeItselfIsNotBelievedAfterItCrashed() throws SQLException {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        says(scene.server(), "committed");
        Chronicle alone = crashing();
        scene.call(scene.engine(alone).resolvers(new CamoResolver())).unknown();
        alone.requireActed();
        assertTrue(reason(alone).contains("stranger"), reason(alone));
    }

    @Test
    void inProgressOnTheNodeItselfIsFencedAndAskedAgain() throws SQLException {
        says(scene.server(), "in progress", "in progress", "aborted");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        Chronicle chronicle = new Chronicle();
        Ending ending = scene.call(scene.engine(chronicle).resolvers(new CamoResolver()));
        ending.returned(2);
        // Twice while it was in progress, once before the next attempt.
        assertEquals(3, chronicle.all(Fenced.class).size());
        assertEquals(Result.TERMINATED, chronicle.all(Fenced.class).get(0).result());
        assertEquals("3", CommitScene.ask(scene.server(), "SELECT last_value FROM bdr.calls"));
        assertEquals(List.of(2), scene.effects(ending));
    }

    @Test
    void inProgressOnThePartnerIsAskedAgainAndFencesNobodyThere() throws SQLException {
        says(partner, "in progress", "in progress", "committed");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        scene.call(askingPartner(chronicle).resolvers(new CamoResolver())).returned(1);
        assertEquals(List.of(), chronicle.all(Fenced.class));
        assertEquals("3", CommitScene.ask(partner, "SELECT last_value FROM bdr.calls"));
    }

    @Test
    void inProgressToTheEndIsUnknown() throws SQLException {
        says(partner, "in progress");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        scene.call(askingPartner(chronicle).resolvers(new CamoResolver()), CommitScene.SHORT).unknown();
        assertEquals("", asked(partner));
    }

    @ParameterizedTest
    @CsvSource(nullValues = "null", value = {"unknown, says unknown", "COMMITTED, says COMMITTED", "null, says null",
        "error XX000, camo failed"})
    void whateverElseItSaysIsUnknown(String word, String expected) throws SQLException {
        says(partner, word);
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        scene.call(askingPartner(chronicle).resolvers(new CamoResolver())).unknown();
        assertTrue(reason(chronicle).contains(expected), reason(chronicle));
        assertEquals("", asked(partner));
    }

    @Test
    void passingErrorOfTheFunctionIsNoAnswer() throws SQLException {
        says(partner, "error 57P03", "error 55000", "committed");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        scene.call(askingPartner(new Chronicle()).resolvers(new CamoResolver())).returned(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ALTER FUNCTION bdr.logical_transaction_status RENAME TO hidden", "ALTER SCHEMA bdr RENAME TO hidden"})
    void serverWithoutTheFunctionIsSaidToBeNoNode(String hide) throws SQLException {
        says(partner, "committed");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        CommitScene.execute(partner, hide);
        Chronicle chronicle = new Chronicle();
        try {
            scene.call(askingPartner(chronicle).resolvers(new CamoResolver())).unknown();
        } finally {
            CommitScene.execute(partner, hide.startsWith("ALTER SCHEMA") ? "ALTER SCHEMA hidden RENAME TO bdr"
                    : "ALTER FUNCTION bdr.hidden RENAME TO logical_transaction_status");
        }
        assertTrue(reason(chronicle).contains("no bdr.logical_transaction_status"), reason(chronicle));
    }

    @Test
    void evidenceWithoutANodeIsNotAskedAbout() throws SQLException {
        says(partner, "committed");
        scene.execute("ALTER DATABASE postgres RESET bdr.local_node_id");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        try {
            scene.call(askingPartner(chronicle).resolvers(new CamoResolver())).unknown();
        } finally {
            scene.execute("ALTER DATABASE postgres SET bdr.local_node_id = '" + ORIGIN + "'");
        }
        assertNull(chronicle.only(OutcomeAsked.class).evidence().node());
        assertTrue(reason(chronicle).contains("bdr.local_node_id"), reason(chronicle));
        requireNeverCalled();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "node1", "1; DROP TABLE effect", "-1", "٣"})
    void nodeThatIsNoNumberIsNotAskedAbout(String node) throws SQLException {
        says(partner, "committed");
        Chronicle chronicle = doubtWith(was -> new CommitEvidence(was.database(), was.transactionId(), was.backend(),
                was.incarnation(), null, node));
        assertTrue(reason(chronicle).contains("bdr.local_node_id"), reason(chronicle));
        requireNeverCalled();
    }

    @Test
    void evidenceWithoutATransactionIdIsNotAskedAbout() throws SQLException {
        says(partner, "committed");
        Chronicle chronicle = doubtWith(was -> new CommitEvidence(was.database(), null, was.backend(), was.incarnation(), null,
                was.node()));
        assertTrue(reason(chronicle).contains("no transaction id"), reason(chronicle));
        requireNeverCalled();
    }

    /** There an id has 32 bits. */
    @Test
    void epochOfTheTransactionIdIsLeftOut() throws SQLException {
        says(partner, "committed");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        long id = (7L << 32) + 0xFFFF_FFF0L;
        scene.call(askingPartner(new Chronicle()).resolvers(instead(was -> new CommitEvidence(was.database(), id,
                was.backend(), was.incarnation(), null, was.node())))).returned(1);
        assertEquals(ORIGIN + " 4294967280 t", asked(partner));
    }

    private static Chronicle doubtWith(UnaryOperator<CommitEvidence> other) {
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        Chronicle chronicle = new Chronicle();
        scene.call(askingPartner(chronicle).resolvers(instead(other))).unknown();
        return chronicle;
    }

    /** The resolver, asked by other evidence than was taken. */
    private static CommitOutcomeResolver instead(UnaryOperator<CommitEvidence> other) {
        return new CommitOutcomeResolver() {
            @Override
            public String name() {
                return "instead";
            }

            @Override
            public CommitOutcome resolve(OutcomeQuestion question) throws SQLException, InterruptedException {
                CommitEvidence evidence = other.apply(question.evidence());
                return new CamoResolver().resolve((OutcomeQuestion) Proxy.newProxyInstance(getClass().getClassLoader(),
                        new Class<?>[] {OutcomeQuestion.class}, (proxy, method, args) -> {
                            try {
                                return method.getName().equals("evidence") ? evidence : method.invoke(question, args);
                            } catch (InvocationTargetException failed) {
                                throw failed.getCause();
                            }
                        }));
            }
        };
    }

    /** The partner forgets after a quarter of an hour, and would decide that an old transaction is aborted. */
    @Test
    void laterQuestionIsNotAsked() throws SQLException {
        says(partner, "unknown");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        CommitEvidence evidence = scene.call(askingPartner(new Chronicle()).resolvers(new CamoResolver())).unknown().evidence()
                .orElseThrow();
        says(partner, "aborted");
        try (ConnectTransactRetry executor = askingPartner(new Chronicle()).resolvers(new CamoResolver()).build()) {
            Unknown unknown = assertInstanceOf(Unknown.class, executor.resolve(CommitEvidence.parse(evidence.toString())));
            assertTrue(unknown.reason().contains("15 minutes"), unknown.reason());
        }
        requireNeverCalled();
    }

    @ParameterizedTest
    @ValueSource(strings = {"committed", "aborted"})
    void answerIsSealed(String word) throws SQLException {
        says(partner, word);
        partner.alterSetting("synchronous_standby_names", "nobody");
        CommitScene.execute(partner, "SET synchronous_commit = local", "ALTER DATABASE postgres SET synchronous_commit = local");
        scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        try {
            scene.call(askingPartner(new Chronicle()).resolvers(new CamoResolver()), CommitScene.SHORT).unknown();
        } finally {
            partner.alterSetting("synchronous_standby_names", "");
            CommitScene.execute(partner, "ALTER DATABASE postgres RESET synchronous_commit");
        }
    }

    /** What a standby says is no answer: it is asked again until it is promoted. */
    @Test
    void standbyOfThePartnerIsNotAsked() throws SQLException {
        says(partner, "committed");
        try (PostgresServer standby = partner.startStandby("copy")) {
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            Chronicle chronicle = new Chronicle();
            scene.call(scene.engine(chronicle).resolverDataSource(towards(standby)).resolvers(new CamoResolver()),
                    CommitScene.SHORT).unknown();
            assertTrue(reason(chronicle).contains("is in recovery"), reason(chronicle));
            scene.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
            Chronicle promoting = new Chronicle().onFirst(OutcomeAsked.class, asked -> standby.promote());
            scene.call(scene.engine(promoting).resolverDataSource(towards(standby)).resolvers(new CamoResolver())).returned(1);
            promoting.requireActed();
        }
    }

    /** Behind a transaction pooler another node than the one that was learnt may take the transaction. */
    @Test
    void behindAPoolerTheNodeIsReadWithTheTransactionId() throws SQLException {
        try (Connection connection = scene.server().connect()) {
            ServerSession elsewhere = new ServerSession(new Backend(1, null), true, false, "postgres", "read committed", "on",
                    null, null, PARTNER);
            connection.setAutoCommit(false);
            assertEquals(ORIGIN, EvidenceStatement.take(connection, elsewhere).node());
            assertNull(elsewhere.evidence().node());
            ServerSession switched = new ServerSession(new Backend(1, "then"), false, false, "postgres", "read committed", "on",
                    null, null, PARTNER);
            assertNull(EvidenceStatement.take(connection, switched).node());
        }
    }

    private static void requireNeverCalled() throws SQLException {
        assertEquals("false", CommitScene.ask(partner, "SELECT is_called::text FROM bdr.calls"));
    }

    private static String reason(Chronicle chronicle) {
        return chronicle.only(OutcomeResolved.class).outcome().reason();
    }
}
