package io.github.connecttransactretry.peers;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireProxy;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** All calls of one peer, on a server, a proxy and a pool of their own, and the audit of them. */
final class Bench {

    static final int THREADS = 8;
    static final int ACCOUNTS = 24;
    static final String EFFECT = "effect";

    private static final int PROGRESS_EVERY = 500;
    private static final Duration QUIET_BOUND = Duration.ofSeconds(60);

    private final Roster.Entry entry;
    private final FaultPlan plan;
    private final PrintStream out;
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger attempts = new AtomicInteger();
    private final long[] nanos;
    private final Map<String, Integer> reasons = new ConcurrentHashMap<>();
    private Audit audit;

    Bench(Roster.Entry entry, FaultPlan plan, PrintStream out) {
        this.entry = entry;
        this.plan = plan;
        this.out = out;
        this.nanos = new long[plan.calls()];
    }

    PeerResult run() throws Exception {
        try (PostgresServer server = PostgresServer.launch(); WireProxy proxy = WireProxy.to(server.port());
                WireFaults faults = new WireFaults(plan, server, proxy)) {
            try (Connection direct = server.connect()) {
                audit = Audit.create(direct, EFFECT);
                createAccounts(direct);
            }
            long roundTrips;
            try (HikariDataSource pool = pool(server, proxy); Peer peer = entry.maker().on(pool)) {
                proxy.resetRoundTrips();
                proxy.script(faults);
                callFromThreads(peer);
                faults.settle();
                roundTrips = proxy.roundTrips();
            }
            try (Connection direct = server.connect()) {
                Audit.awaitQuiet(direct, QUIET_BOUND);
                AuditReport report = audit.read(direct);
                out.println("  faults " + faults.made() + ", thrown " + reasons);
                return new PeerResult(entry, report, attempts.get(), roundTrips, nanos.clone(), faults.made());
            }
        }
    }

    private static HikariDataSource pool(PostgresServer server, WireProxy proxy) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(server.jdbcUrl(proxy.port()));
        config.setUsername(PostgresServer.SUPERUSER);
        config.setPassword("");
        config.setMaximumPoolSize(THREADS);
        config.setConnectionTimeout(Peer.BOUND.toMillis());
        config.addDataSourceProperty("socketTimeout", Peer.BOUND.toSeconds());
        config.setTransactionIsolation("TRANSACTION_SERIALIZABLE");
        return new HikariDataSource(config);
    }

    private static void createAccounts(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL)");
            statement.execute("INSERT INTO account SELECT i, 1000 FROM generate_series(0, " + (ACCOUNTS - 1) + ") i");
        }
    }

    private void callFromThreads(Peer peer) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        try {
            List<Future<?>> all = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                all.add(threads.submit(() -> {
                    for (int call = next.getAndIncrement(); call < plan.calls(); call = next.getAndIncrement()) {
                        one(peer, call);
                    }
                }));
            }
            for (Future<?> thread : all) {
                thread.get();
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private void one(Peer peer, int call) {
        String name = "call-" + call;
        AtomicInteger attempt = new AtomicInteger();
        long begun = System.nanoTime();
        try {
            // What the audit compares with the rows is the value that the peer hands back, not the last one computed.
            int told = peer.call(connection -> transfer(connection, call, name, attempt.incrementAndGet()));
            audit.acknowledged(name, told);
        } catch (Peer.OutcomeUnknown unknown) {
            audit.unknown(name, unknown.getMessage());
        } catch (Exception thrown) {
            audit.threw(name, thrown);
            reasons.merge(SqlErrors.reason(thrown), 1, Integer::sum);
        }
        nanos[call] = System.nanoTime() - begun;
        attempts.addAndGet(attempt.get());
        if ((call + 1) % PROGRESS_EVERY == 0) {
            out.println("  " + entry.name() + ": " + (call + 1) + " of " + plan.calls() + " calls");
        }
    }

    private int transfer(Connection connection, int call, String name, int attempt) throws SQLException {
        SplittableRandom chance = plan.chance(call);
        // From the lower to the higher account: what two transfers do to each other is a conflict, and never a deadlock.
        int low = chance.nextInt(ACCOUNTS - 1);
        int high = chance.nextInt(low + 1, ACCOUNTS);
        int amount = chance.nextInt(1, 10);
        move(connection, WireFaults.mark(call), low, -amount);
        audit.append(connection, name, attempt);
        move(connection, "", high, amount);
        return attempt;
    }

    private static void move(Connection connection, String mark, int account, int amount) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement(
                mark + "UPDATE account SET balance = balance + ? WHERE id = ?")) {
            update.setInt(1, amount);
            update.setInt(2, account);
            update.executeUpdate();
        }
    }
}
