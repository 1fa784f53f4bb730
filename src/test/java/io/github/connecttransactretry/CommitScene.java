package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.drill.HeldRequest;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.PostgresServerBuilder;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireScript;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A real server behind a proxy, and a table in which each attempt leaves its effect. Engines reach the server only through
 * the proxy; the test itself goes straight. Nothing but the test's own doing gives out transaction ids.
 */
final class CommitScene implements AutoCloseable {

    /** For calls that are to stay in doubt: they last this long. */
    static final TransactionOptions SHORT = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(2));
    static final Duration PATIENCE = Duration.ofSeconds(20);

    private static final AtomicInteger CALLS = new AtomicInteger();

    private final PostgresServer server;
    private final WireProxy proxy;
    private Audit audit;

    private CommitScene(PostgresServer server) throws SQLException {
        this.server = server;
        this.proxy = WireProxy.to(server.port());
        beginAudit("effect");
    }

    /** Leaves all earlier calls out of the audits to come. */
    void beginAudit(String table) throws SQLException {
        try (Connection direct = server.connect()) {
            audit = Audit.create(direct, table);
        }
    }

    static CommitScene open() throws SQLException {
        return open(PostgresServer.builder());
    }

    static CommitScene open(PostgresServerBuilder builder) throws SQLException {
        // What an idle server writes by itself would flush the ids that a crash is to lose. Only processes are killed, and
        // the kernel keeps what they have written: fsync would change nothing but the time that it takes.
        PostgresServer server = builder.setting("autovacuum", "off").setting("checkpoint_timeout", "1h")
                .setting("wal_writer_delay", "10s").setting("fsync", "off").launch();
        try {
            return new CommitScene(server);
        } catch (SQLException | RuntimeException failed) {
            server.close();
            throw failed;
        }
    }

    PostgresServer server() {
        return server;
    }

    WireProxy proxy() {
        return proxy;
    }

    void script(WireScript script) {
        proxy.script(script);
    }

    /** An engine's builder whose connections all lead through the proxy, one for each attempt. */
    ConnectTransactRetryBuilder engine(Chronicle chronicle) {
        return ConnectTransactRetry.builder(() -> server.connect(proxy.port())).listener(chronicle);
    }

    /** The same as another role. */
    ConnectTransactRetryBuilder engine(Chronicle chronicle, String role) {
        PGSimpleDataSource dataSource = dataSource(proxy.port(), role);
        return ConnectTransactRetry.builder(() -> dataSource.getConnection()).listener(chronicle);
    }

    PGSimpleDataSource dataSource(int port, String role) {
        PGSimpleDataSource dataSource = new PGSimpleDataSource();
        dataSource.setURL(server.jdbcUrl(port));
        dataSource.setUser(role);
        return dataSource;
    }

    /** Straight to the server as superuser. */
    PGSimpleDataSource dataSource() {
        return dataSource(server.port(), PostgresServer.SUPERUSER);
    }

    /** What a call came to: the attempt whose value it returned, or what it threw. */
    record Ending(String call, Integer attempt, Throwable thrown) {

        CommitOutcomeUnknownException unknown() {
            return assertInstanceOf(CommitOutcomeUnknownException.class, thrown, () -> "returned " + attempt);
        }

        <E extends Throwable> E threw(Class<E> kind) {
            return assertInstanceOf(kind, thrown, () -> "returned " + attempt);
        }

        void returned(int expected) {
            if (thrown != null) {
                throw new AssertionError("the call threw", thrown);
            }
            assertEquals(expected, attempt);
        }
    }

    /** Runs a call that appends its attempt, does what else is asked for, and returns its attempt. */
    <X extends Exception> Ending call(ConnectTransactRetryBuilder engine, TransactionOptions options, TransactionalAction<X> more) {
        String call = "call-" + CALLS.incrementAndGet();
        try (ConnectTransactRetry executor = engine.build()) {
            int attempt = executor.run(options, tx -> {
                audit.append(tx.connection(), call, tx.attempt());
                more.apply(tx);
                return tx.attempt();
            });
            audit.acknowledged(call, attempt);
            return new Ending(call, attempt, null);
        } catch (Throwable thrown) {
            audit.threw(call, thrown);
            return new Ending(call, null, thrown);
        }
    }

    Ending call(ConnectTransactRetryBuilder engine, TransactionOptions options) {
        return call(engine, options, tx -> { });
    }

    Ending call(ConnectTransactRetryBuilder engine) {
        return call(engine, TransactionOptions.defaults());
    }

    /** What the test does while a call runs. */
    interface Meanwhile {
        void act() throws Exception;
    }

    /** Runs a call on a thread of its own. */
    static Ending running(Supplier<Ending> call, Meanwhile meanwhile) {
        CompletableFuture<Ending> ending = CompletableFuture.supplyAsync(call);
        try {
            meanwhile.act();
        } catch (Exception failed) {
            throw new AssertionError("what was to happen meanwhile failed", failed);
        } finally {
            ending.exceptionally(thrown -> null).join();
        }
        return ending.join();
    }

    /** The attempts of a call that are committed, as another session sees them. */
    List<Integer> effects(Ending ending) throws SQLException {
        return effects(server, ending);
    }

    List<Integer> effects(PostgresServer on, Ending ending) throws SQLException {
        String sql = "SELECT attempt FROM " + audit.table() + " WHERE call = ? ORDER BY attempt";
        try (Connection direct = on.connect(); PreparedStatement select = direct.prepareStatement(sql)) {
            select.setString(1, ending.call());
            List<Integer> attempts = new ArrayList<>();
            try (ResultSet rows = select.executeQuery()) {
                while (rows.next()) {
                    attempts.add(rows.getInt(1));
                }
            }
            return attempts;
        }
    }

    /** Delivers what was held back; what the server said to each. */
    List<String> releaseHeld() {
        return proxy.releaseHeld().stream().map(HeldRequest::outcome).map(said -> said.orElse("")).toList();
    }

    /** The audit of all calls so far, once nobody can change the table any more. */
    AuditReport audited() throws SQLException {
        return audited(server);
    }

    AuditReport audited(PostgresServer on) throws SQLException {
        releaseHeld();
        try (Connection direct = on.connect()) {
            Audit.endOthers(direct);
            Audit.awaitQuiet(direct, PATIENCE);
            return audit.read(direct);
        }
    }

    void execute(String... statements) throws SQLException {
        execute(server, statements);
    }

    static void execute(PostgresServer on, String... statements) throws SQLException {
        try (Connection direct = on.connect(); Statement statement = direct.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    String ask(String query) throws SQLException {
        return ask(server, query);
    }

    static String ask(PostgresServer on, String query) throws SQLException {
        try (Connection direct = on.connect(); Statement statement = direct.createStatement();
                ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }

    /** Whether a backend is there. */
    boolean lives(int pid) throws SQLException {
        return ask("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid).equals("1");
    }

    @Override
    public void close() {
        proxy.close();
        server.close();
    }
}
