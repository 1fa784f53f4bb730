package io.github.connecttransactretry;

import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.postgresql.ds.PGSimpleDataSource;

/** A scene with a ledger, and work for keyed calls that counts its runs and leaves a row for each, without a unique constraint. */
final class KeyedScene implements AutoCloseable {

    private static final AtomicInteger KEYS = new AtomicInteger();

    private final CommitScene scene;

    private KeyedScene(CommitScene scene) {
        this.scene = scene;
    }

    static KeyedScene open() throws SQLException {
        CommitScene scene = CommitScene.open();
        try {
            scene.execute("CREATE TABLE work (key text NOT NULL, value text)");
            CommitSchema.standard().install(scene.dataSource());
            return new KeyedScene(scene);
        } catch (SQLException | RuntimeException failed) {
            scene.close();
            throw failed;
        }
    }

    CommitScene scene() {
        return scene;
    }

    /** An engine through the proxy that writes the ledger. */
    ConnectTransactRetryBuilder engine(Chronicle chronicle) {
        return scene.engine(chronicle).outcome(OutcomeMode.LEDGER);
    }

    /** The same with sessions of its own, such as {@code -c default_transaction_isolation=serializable}. */
    ConnectTransactRetryBuilder engine(Chronicle chronicle, String sessionOptions) {
        PGSimpleDataSource sessions = scene.dataSource(scene.proxy().port(), PostgresServer.SUPERUSER);
        sessions.setOptions(sessionOptions);
        return ConnectTransactRetry.builder(() -> sessions.getConnection()).listener(chronicle).outcome(OutcomeMode.LEDGER);
    }

    /** A key that no other test uses. */
    static String freshKey() {
        return "key-" + KEYS.incrementAndGet();
    }

    static IdempotencyKey claimed(IdempotencyKey key, boolean claimedFirst) {
        return claimedFirst ? key.claimedFirst() : key;
    }

    /** Work under a key that returns a value. */
    static <T> Work<T> work(String key, T value) {
        return new Work<>(key, value);
    }

    /** What a keyed call does. Thread-safe. */
    static final class Work<T> implements TransactionalFunction<T, SQLException> {

        private final String key;
        private final T value;
        private final AtomicInteger runs = new AtomicInteger();

        private Work(String key, T value) {
            this.key = key;
            this.value = value;
        }

        @Override
        public T apply(Transaction tx) throws SQLException {
            runs.incrementAndGet();
            leave(tx, key, String.valueOf(value));
            return value;
        }

        int runs() {
            return runs.get();
        }
    }

    /** The effect of one run. */
    static void leave(Transaction tx, String key, String value) throws SQLException {
        try (PreparedStatement insert = tx.connection().prepareStatement("INSERT INTO work VALUES (?, ?)")) {
            insert.setString(1, key);
            insert.setString(2, value);
            insert.executeUpdate();
        }
    }

    /** The values whose work under a key is committed, as another session sees them. */
    List<String> effects(String key) throws SQLException {
        return column("SELECT value FROM work WHERE key = ?", key);
    }

    /** Whether a key is taken. */
    boolean isTaken(String key) throws SQLException {
        return !column("SELECT codec FROM connect_transact_retry.commit_ledger WHERE idempotency_key = ?", key).isEmpty();
    }

    private List<String> column(String sql, String key) throws SQLException {
        try (Connection direct = scene.server().connect(); PreparedStatement select = direct.prepareStatement(sql)) {
            select.setString(1, key);
            List<String> values = new ArrayList<>();
            try (ResultSet rows = select.executeQuery()) {
                while (rows.next()) {
                    values.add(rows.getString(1));
                }
            }
            return values;
        }
    }

    @Override
    public void close() {
        scene.close();
    }
}
