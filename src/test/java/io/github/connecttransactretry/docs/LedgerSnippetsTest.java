package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitOutcomeUnknownException;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.CommitVerification;
import io.github.connecttransactretry.outcome.LedgerFigures;
import io.github.connecttransactretry.outcome.LedgerPurge;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

/** The Java of docs/ledger.md, run on a real server; see {@link SnippetsTest}. */
class LedgerSnippetsTest {

    private static PostgresServer server;
    private static WireProxy proxy;
    private static DataSource owner;

    private final List<String> notebook = new ArrayList<>();
    private final String order = "order-1";
    private final String invoice = "invoice-1";

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        proxy = WireProxy.to(server.port());
        PGSimpleDataSource superuser = new PGSimpleDataSource();
        superuser.setUrl(server.jdbcUrl());
        superuser.setUser(PostgresServer.SUPERUSER);
        owner = superuser;
        execute("CREATE ROLE app LOGIN", "CREATE TABLE done (what text)", "GRANT SELECT, INSERT ON done TO app");
        setUp();
    }

    private static void setUp() throws SQLException {
        // snippet
        CommitSchema schema = CommitSchema.standard();
        schema.install(owner);
        schema.grant(owner, "app");
        CommitLedger.standard().enable(owner);
        // end
    }

    @AfterAll
    static void close() {
        proxy.close();
        server.close();
    }

    @Test
    void idempotencyKey() throws SQLException {
        String request = "pay 10 to bob";
        List<TransactionEvent> events = new ArrayList<>();
        for (int time = 0; time < 2; time++) {
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(app()).listener(events::add).build()) {
                // snippet
                IdempotencyKey key = IdempotencyKey.of("payment-4711")
                        .withFingerprint(sha256(request))
                        .withResult(ResultCodec.text());
                String receipt = executor.run(TransactionOptions.idempotencyKey(key), tx -> pay(tx.connection(), request));
                // end
                assertEquals("receipt 1", receipt);
            }
        }
        assertEquals("1", ask("SELECT count(*) FROM done WHERE what = 'pay 10 to bob'"));
        assertEquals(1, events.stream().filter(TransactionEvent.StoredResultReturned.class::isInstance).count());
    }

    @Test
    void askingAgainLater() throws SQLException {
        proxy.script(WireScript.once(WireRequest::isCommit, WireAction.HOLD_AND_CUT));
        // Nobody can be asked either, for as long as the call lasts.
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(app())
                .listener(event -> proxy.refuse(event instanceof TransactionEvent.OutcomeAsked))
                .defaults(TransactionOptions.defaults().withTimeout(Duration.ofSeconds(1))).build()) {
            // snippet
            try {
                executor.execute(tx -> ship(tx.connection(), order));
            } catch (CommitOutcomeUnknownException inDoubt) {
                inDoubt.evidence().ifPresent(evidence -> notebook.add(evidence.toString()));
            }
            // end
        }
        proxy.refuse(false);
        assertEquals(1, notebook.size());
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(app()).build()) {
            // snippet
            CommitOutcome outcome = executor.resolve(CommitEvidence.parse(notebook.get(0)));
            if (outcome instanceof CommitOutcome.NotCommitted) {
                // Now it never will be: do it again.
                executor.execute(tx -> ship(tx.connection(), order));
            }
            // end
            assertInstanceOf(CommitOutcome.NotCommitted.class, outcome);
        }
        proxy.releaseHeld();
        assertEquals("1", ask("SELECT count(*) FROM done WHERE what = 'ship order-1'"));
    }

    @Test
    void purge() throws SQLException {
        DataSource janitor = owner;
        // snippet
        CommitLedger ledger = CommitLedger.standard().withLongestCall(Duration.ofMinutes(2));
        LedgerPurge purge = ledger.purge(janitor, Duration.ofDays(2), Duration.ofDays(30));
        LedgerFigures left = ledger.figures(janitor);
        // end
        assertEquals(0, purge.rows());
        assertTrue(left.enabled() && left.bytes() > 0, left::toString);
    }

    @Test
    void verification() throws SQLException {
        proxy.script(WireScript.once(WireRequest::isCommit, WireAction.CUT_AFTER));
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(app()).outcome(OutcomeMode.NONE).build()) {
            // snippet
            TransactionOptions options = TransactionOptions.defaults().withVerification(connection ->
                    isPaid(connection, invoice) ? CommitVerification.Finding.COMMITTED : CommitVerification.Finding.NOT_COMMITTED);
            executor.execute(options, tx -> markPaid(tx.connection(), invoice));
            // end
        }
        assertEquals("1", ask("SELECT count(*) FROM done WHERE what = 'invoice-1'"));
    }

    private static DataSource app() {
        PGSimpleDataSource app = new PGSimpleDataSource();
        app.setUrl(server.jdbcUrl(proxy.port()));
        app.setUser("app");
        return app;
    }

    private static String pay(Connection connection, String request) throws SQLException {
        insert(connection, request);
        return "receipt 1";
    }

    private static void ship(Connection connection, String what) throws SQLException {
        insert(connection, "ship " + what);
    }

    private static void markPaid(Connection connection, String what) throws SQLException {
        insert(connection, what);
    }

    private static void insert(Connection connection, String what) throws SQLException {
        try (var insert = connection.prepareStatement("INSERT INTO done VALUES (?)")) {
            insert.setString(1, what);
            insert.executeUpdate();
        }
    }

    private static boolean isPaid(Connection connection, String what) throws SQLException {
        try (var select = connection.prepareStatement("SELECT FROM done WHERE what = ?")) {
            select.setString(1, what);
            try (ResultSet row = select.executeQuery()) {
                return row.next();
            }
        }
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException everyJdkHasIt) {
            throw new IllegalStateException(everyJdkHasIt);
        }
    }

    private static void execute(String... statements) throws SQLException {
        try (Connection connection = server.connect(); Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    private static String ask(String query) throws SQLException {
        try (Connection connection = server.connect(); Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }
}
