package io.github.connecttransactretry;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A primary and its streaming standby behind one address, that of a proxy, and a pool that knows no other. The standby takes
 * over from the killed primary, and gets a standby of its own, as often as is wanted. Money lies on accounts, and each attempt
 * leaves its effect for the audit. Transfers are safe
 * from any thread, the rest is for one.
 */
final class FailoverScene implements AutoCloseable {

    /** So many that few transfers meet: one that is held up must not hold up all the others. */
    static final int ACCOUNTS = 5000;

    private static final String STANDBY = "s1";
    private static final String WAITING = " FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    private static final String WAL_SENDER = "SELECT pid FROM pg_stat_replication WHERE application_name = '" + STANDBY + "'";

    private final boolean synchronous;
    private PostgresServer primary;
    private PostgresServer standby;
    private WireProxy proxy;
    private HikariDataSource pool;
    private Audit audit;

    private FailoverScene(boolean synchronous) {
        this.synchronous = synchronous;
    }

    /** Without a standby yet; as many connections in the pool as callers are wanted. */
    static FailoverScene open(boolean synchronous, int connections) throws SQLException {
        FailoverScene scene = new FailoverScene(synchronous);
        try {
            // Only processes are killed, and the kernel keeps what they have written.
            scene.primary = PostgresServer.builder().setting("autovacuum", "off").setting("checkpoint_timeout", "1h")
                    .setting("fsync", "off").launch();
            scene.proxy = WireProxy.to(scene.primary.port());
            scene.prepare();
            scene.pool = Pools.hikari(scene.primary, scene.proxy.port(), connections);
            return scene;
        } catch (SQLException | RuntimeException failed) {
            scene.close();
            throw failed;
        }
    }

    private void prepare() throws SQLException {
        CommitSchema.standard().install(Pools.simple(primary, primary.port()));
        try (Connection direct = primary.connect(); Statement statement = direct.createStatement()) {
            audit = Audit.create(direct, "effect");
            statement.execute("CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);"
                    + " INSERT INTO account SELECT i, 1000 FROM generate_series(1, " + ACCOUNTS + ") i");
        }
    }

    PostgresServer primary() {
        return primary;
    }

    PostgresServer standby() {
        return standby;
    }

    WireProxy proxy() {
        return proxy;
    }

    HikariDataSource pool() {
        return pool;
    }

    Audit audit() {
        return audit;
    }

    /** The body of a transfer between two accounts; returns the attempt. */
    int move(Transaction tx, String call, int from, int to) throws SQLException {
        // The lower one first, whoever gives: no two transfers wait for each other.
        String sql = "UPDATE account SET balance = balance + CASE WHEN id = ? THEN -1 ELSE 1 END WHERE id = ?";
        for (int id : new TreeSet<>(List.of(from, to))) {
            try (PreparedStatement update = tx.connection().prepareStatement(sql)) {
                update.setInt(1, from);
                update.setInt(2, id);
                update.executeUpdate();
            }
        }
        audit.append(tx.connection(), call, tx.attempt());
        return tx.attempt();
    }

    /** One transfer by a call of that name; what it came to, which the audit is told too. */
    Ending call(ConnectTransactRetry engine, TransactionOptions options, String call) {
        try {
            int attempt = engine.run(options.withLabel(call), tx -> move(tx, call, 1, 2));
            audit.acknowledged(call, attempt);
            return new Ending(call, attempt, null);
        } catch (Throwable thrown) {
            audit.threw(call, thrown);
            return new Ending(call, null, thrown);
        }
    }

    /** A fresh standby of the primary, streaming; a synchronous one if the scene is. */
    void addStandby() throws SQLException {
        standby = primary.startStandby(STANDBY);
        if (synchronous) {
            primary.alterSetting("synchronous_standby_names", STANDBY);
            Await.until("the standby to be synchronous", CommitScene.PATIENCE, () -> syncState().equals("sync"));
        }
    }

    /** What the primary says of its standby. */
    String syncState() throws SQLException {
        return CommitScene.ask(primary, "SELECT sync_state FROM pg_stat_replication WHERE application_name = '" + STANDBY + "'");
    }

    /** Waits until the standby has all that the primary has written up to now. */
    void awaitReplicated() throws SQLException {
        String written = CommitScene.ask(primary, "SELECT pg_current_wal_insert_lsn()");
        Await.until("the standby to have " + written, CommitScene.PATIENCE, () -> CommitScene.ask(primary,
                "SELECT flush_lsn >= '" + written + "' FROM pg_stat_replication WHERE application_name = '" + STANDBY + "'")
                .equals("t"));
    }

    /** Nothing reaches the standby any more. */
    void holdReplicationUp() throws SQLException {
        primary.suspend(Integer.parseInt(CommitScene.ask(primary, WAL_SENDER)));
    }

    /** Does these things to the next COMMITs that come by, one each, and waits until all have come. */
    void catchCommits(List<WireAction> actions) {
        Queue<WireAction> left = new ConcurrentLinkedQueue<>(actions);
        proxy.script(request -> {
            WireAction action = request.isCommit() ? left.poll() : null;
            return action == null ? WireAction.PASS : action;
        });
        Await.until("a COMMIT for each of " + actions, CommitScene.PATIENCE, left::isEmpty);
    }

    void awaitSynchronousWaits(int atLeast) {
        Await.until(atLeast + " COMMITs that wait for the standby", CommitScene.PATIENCE,
                () -> Integer.parseInt(CommitScene.ask(primary, "SELECT count(*)" + WAITING)) >= atLeast);
    }

    /** The process id of a COMMIT, other than this one, that waits for the standby; waits for it. */
    int awaitSynchronousWait(int other) {
        int[] found = new int[1];
        Await.until("a COMMIT that waits for the standby", CommitScene.PATIENCE, () -> {
            found[0] = Integer.parseInt(CommitScene.ask(primary, "SELECT pid" + WAITING + " AND pid <> " + other));
            return true;
        });
        return found[0];
    }

    /** The primary is killed, and the standby takes its place and address. */
    void failOver() throws SQLException {
        primary.crash();
        if (!standby.isRunning()) {
            standby.start();
        }
        proxy.script(request -> WireAction.PASS);
        proxy.cutAll();
        proxy.retarget(standby.port());
        standby.promote();
        primary.close();
        primary = standby;
        standby = null;
        primary.alterSetting("synchronous_standby_names", "");
    }

    /** All effects, as the present primary has them: the attempts of each call. */
    Map<String, List<Integer>> effects() throws SQLException {
        return effects(primary);
    }

    Map<String, List<Integer>> effects(PostgresServer on) throws SQLException {
        Map<String, List<Integer>> effects = new TreeMap<>();
        try (Connection direct = on.connect(); Statement statement = direct.createStatement();
                ResultSet rows = statement.executeQuery("SELECT call, attempt FROM " + audit.table())) {
            while (rows.next()) {
                effects.computeIfAbsent(rows.getString(1), call -> new ArrayList<>()).add(rows.getInt(2));
            }
        }
        return effects;
    }

    /** The timeline that the present primary writes. */
    String timeline() throws SQLException {
        return CommitScene.ask(primary, "SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)");
    }

    long money() throws SQLException {
        return Long.parseLong(CommitScene.ask(primary, "SELECT sum(balance) FROM account"));
    }

    /** The audit of all calls, which must have ended. */
    AuditReport audited() throws SQLException {
        proxy.releaseHeld();
        pool.close();
        try (Connection direct = primary.connect()) {
            Audit.endOthers(direct);
            Audit.awaitQuiet(direct, CommitScene.PATIENCE);
            return audit.read(direct);
        }
    }

    @Override
    public void close() {
        for (AutoCloseable part : new AutoCloseable[] {pool, proxy, standby, primary}) {
            try {
                if (part != null) {
                    part.close();
                }
            } catch (Exception failed) {
                throw new IllegalStateException("could not close " + part, failed);
            }
        }
    }
}
