package io.github.connecttransactretry;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** Looks after a call for what it may have left behind: busy threads, lent connections, transactions on the server. */
final class Leaks {

    private static final Duration BOUND = Duration.ofSeconds(15);

    private final PostgresServer server;
    private final Set<Thread> ofOthers;

    private Leaks(PostgresServer server, Set<Thread> ofOthers) {
        this.server = server;
        this.ofOthers = ofOthers;
    }

    /** To be called before the engine is built: the threads that are there now are not its. */
    static Leaks watch(PostgresServer server) {
        return new Leaks(server, engineThreads().keySet());
    }

    /** Once the fault is over: everything comes to rest, and nothing is left when the engine is closed. */
    void assertNone(ConnectTransactRetry engine, HikariDataSource pool) {
        assertNoneBusy();
        if (pool != null) {
            Await.until("every connection to be back in the pool", BOUND,
                    () -> pool.getHikariPoolMXBean().getActiveConnections() == 0
                            && pool.getHikariPoolMXBean().getThreadsAwaitingConnection() == 0);
        }
        assertNoTransactionOpen();
        engine.close();
        assertThreadsEnded();
    }

    /** None of the engine's threads does anything; idle workers may be there. */
    void assertNoneBusy() {
        Await.until("the engine's threads to be idle", BOUND, () -> {
            List<String> busy = busy();
            if (!busy.isEmpty()) {
                throw new IllegalStateException(busy.toString());
            }
            return true;
        });
    }

    /** After close(). */
    void assertThreadsEnded() {
        Await.until("the engine's threads to end", BOUND, () -> {
            List<String> left = mine().keySet().stream().map(Thread::getName).toList();
            if (!left.isEmpty()) {
                throw new IllegalStateException(left.toString());
            }
            return true;
        });
    }

    /** No client's backend has a transaction open. */
    void assertNoTransactionOpen() {
        Await.until("the backends to have no transaction open", BOUND, () -> {
            String open = transactions();
            if (!open.isEmpty()) {
                throw new IllegalStateException(open);
            }
            return true;
        });
    }

    private String transactions() throws SQLException {
        try (Connection direct = server.connect(); Statement statement = direct.createStatement();
                ResultSet row = statement.executeQuery("SELECT coalesce(string_agg(pid || ' ' || state || ': ' || query, '; '), '')"
                        + " FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                        + " AND xact_start IS NOT NULL")) {
            row.next();
            return row.getString(1);
        }
    }

    private List<String> busy() {
        return mine().entrySet().stream()
                .filter(entry -> Arrays.stream(entry.getValue()).noneMatch(Leaks::waitsForWork))
                .map(entry -> entry.getKey().getName() + Arrays.toString(entry.getValue()))
                .toList();
    }

    private static boolean waitsForWork(StackTraceElement frame) {
        return frame.getClassName().equals("java.util.concurrent.ThreadPoolExecutor") && frame.getMethodName().equals("getTask");
    }

    private Map<Thread, StackTraceElement[]> mine() {
        Map<Thread, StackTraceElement[]> mine = engineThreads();
        mine.keySet().removeAll(ofOthers);
        return mine;
    }

    private static Map<Thread, StackTraceElement[]> engineThreads() {
        return Thread.getAllStackTraces().entrySet().stream()
                .filter(entry -> entry.getKey().isAlive() && entry.getKey().getName().startsWith(EngineThreads.NAME))
                .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
    }
}
