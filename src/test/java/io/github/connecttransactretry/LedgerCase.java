package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.TransactionState;

/**
 * One way to set the driver up, with a pool of one connection, a table for what calls do and a ledger of its own. The
 * connection is the role {@value #APP}'s, which has the documented rights and no more. For one thread.
 */
final class LedgerCase implements AutoCloseable {

    static final String APP = "app";
    /** A role that {@value #APP} may take on, which has no rights on any ledger. */
    static final String NOBODY = "nobody";

    private static final AtomicInteger CASES = new AtomicInteger();

    private final CommitScene scene;
    private final Connection direct;
    private final Setting setting;
    private final CommitSchema schema;
    private final String table;
    private final HikariDataSource pool;
    private Chronicle chronicle = new Chronicle();
    private int backend;

    /** What the driver and pool are told, and the isolation of calls. */
    record Setting(String parameters, boolean autoCommit, Isolation isolation) {

        @Override
        public String toString() {
            return parameters + (autoCommit ? "" : ", pool with autoCommit=false") + ", " + isolation;
        }
    }

    /** {@code direct} is a superuser's connection in autocommit, which the test works by. */
    LedgerCase(CommitScene scene, Connection direct, Setting setting) throws SQLException {
        this.scene = scene;
        this.direct = direct;
        this.setting = setting;
        this.table = "work_" + CASES.incrementAndGet();
        this.schema = CommitSchema.standard().withLedgerTable(table + "_ledger");
        schema.install(scene.dataSource());
        schema.grant(scene.dataSource(), APP);
        execute("CREATE TABLE " + table + " (attempt int)", "GRANT SELECT, INSERT ON " + table + " TO PUBLIC");
        this.pool = Pools.hikari(scene.server(), scene.proxy().port(), 1, config -> {
            config.setJdbcUrl(config.getJdbcUrl() + "&" + setting.parameters());
            config.setUsername(APP);
            config.setAutoCommit(setting.autoCommit());
        });
    }

    /** The roles, once for a server. */
    static void prepare(CommitScene scene) throws SQLException {
        scene.execute("CREATE ROLE app LOGIN", "CREATE ROLE nobody", "GRANT nobody TO app");
    }

    /** Every query mode of pgjdbc with every autosave, and some more, at three isolation levels. */
    static Stream<Setting> everySetting() {
        List<Setting> all = new ArrayList<>();
        for (Isolation isolation : List.of(Isolation.SESSION, Isolation.REPEATABLE_READ, Isolation.SERIALIZABLE)) {
            for (String queryMode : List.of("simple", "extended", "extendedForPrepared", "extendedCacheEverything")) {
                for (String autosave : List.of("never", "conservative", "always")) {
                    all.add(new Setting("preferQueryMode=" + queryMode + "&autosave=" + autosave, true, isolation));
                }
            }
            all.add(new Setting("preferQueryMode=extended&prepareThreshold=1", false, isolation));
            all.add(new Setting("autosave=always&cleanupSavepoints=true&prepareThreshold=1", true, isolation));
        }
        return all.stream();
    }

    ConnectTransactRetryBuilder engine() {
        return ConnectTransactRetry.builder(pool).schema(schema).outcome(OutcomeMode.LEDGER).listener(chronicle);
    }

    /** Another application's engine on the same ledger, with connections of its own. */
    ConnectTransactRetryBuilder elsewhere() {
        return ConnectTransactRetry.builder(() -> scene.server().connect()).schema(schema).outcome(OutcomeMode.LEDGER);
    }

    TransactionOptions options() {
        return TransactionOptions.defaults().withIsolation(setting.isolation());
    }

    Chronicle chronicle() {
        return chronicle;
    }

    CommitSchema schema() {
        return schema;
    }

    /** Forgets what earlier tests have left. */
    LedgerCase begin() throws SQLException {
        chronicle = new Chronicle();
        execute("TRUNCATE " + table + ", " + schema.ledger());
        return this;
    }

    /** Lets the engine learn the connection, and leaves nothing in the ledger. */
    void warm(ConnectTransactRetry engine) throws SQLException {
        backend = engine.run(options(), tx -> Integer.parseInt(first(tx.connection(), "SELECT pg_backend_pid()")));
        execute("DELETE FROM " + schema.ledger());
    }

    /** As superuser, each in a transaction of its own. */
    void execute(String... statements) throws SQLException {
        try (Statement statement = direct.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    /** As superuser. */
    String ask(String query) throws SQLException {
        return first(direct, query);
    }

    /** Leaves the attempt's effect. */
    void append(Transaction tx) throws SQLException {
        try (PreparedStatement insert = tx.connection().prepareStatement("INSERT INTO " + table + " VALUES (?)")) {
            insert.setInt(1, tx.attempt());
            insert.executeUpdate();
        }
    }

    /** A statement in the function. */
    static void inFunction(Transaction tx, String sql) throws SQLException {
        try (Statement statement = tx.connection().createStatement()) {
            statement.execute(sql);
        }
    }

    static String first(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }

    /** The attempts whose effect is committed, and the kinds of the ledger's rows. */
    void requireCommitted(List<Integer> attempts, List<String> ledgerRows) throws SQLException {
        assertEquals(attempts, list("SELECT attempt FROM " + table + " ORDER BY 1").stream().map(Integer::valueOf).toList());
        assertEquals(ledgerRows, list("SELECT kind FROM " + schema.ledger() + " ORDER BY 1"));
    }

    private List<String> list(String query) throws SQLException {
        try (Statement select = direct.createStatement(); ResultSet rows = select.executeQuery(query)) {
            List<String> found = new ArrayList<>();
            while (rows.next()) {
                found.add(rows.getString(1));
            }
            return found;
        }
    }

    /** The one connection is back in the pool, in the state that the pool hands out, and the same server process serves it. */
    void requireIdlePool() throws SQLException {
        assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections(), "connections that are not given back");
        assertEquals("idle", ask("SELECT state FROM pg_stat_activity WHERE pid = " + backend));
        try (Connection connection = pool.getConnection()) {
            assertEquals(setting.autoCommit(), connection.getAutoCommit());
            BaseConnection driver = connection.unwrap(BaseConnection.class);
            assertEquals(TransactionState.IDLE, driver.getTransactionState());
            assertEquals(backend, driver.getBackendPID(), "the connection was replaced");
            assertEquals("read committed app", first(connection,
                    "SELECT current_setting('transaction_isolation') || ' ' || current_user"));
            if (!setting.autoCommit()) {
                connection.rollback();
            }
        }
    }

    @Override
    public void close() {
        pool.close();
    }
}
