package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.drill.PostgresServer;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/** A pool whose connections have all died unnoticed, within the 500 ms in which HikariCP does not look at them. */
class DeadPoolTest {

    private static final int POOL = 10;

    @Test
    void theDeadOnesCostOneAttemptTogether() throws SQLException {
        HikariConfig config = new HikariConfig();
        config.setMaximumPoolSize(POOL);
        try (PostgresServer server = PostgresServer.launch()) {
            config.setJdbcUrl(server.jdbcUrl());
            config.setUsername(PostgresServer.SUPERUSER);
            try (HikariDataSource pool = new HikariDataSource(config);
                    ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
                inAll(executor, POOL);
                try (Connection admin = server.connect(); Statement end = admin.createStatement()) {
                    end.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                            + " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
                }
                int attempts = executor.run(tx -> {
                    try (Statement select = tx.connection().createStatement()) {
                        select.execute("SELECT 1");
                    }
                    return tx.attempt();
                });
                assertEquals(2, attempts, "the first finds out, the second is on a sound connection");
            }
        }
    }

    /** Makes the engine know as many connections as there are: each call takes one while the ones before hold theirs. */
    private static void inAll(ConnectTransactRetry executor, int connections) {
        List<Thread> callers = new ArrayList<>();
        CountDownLatch all = new CountDownLatch(connections);
        for (int caller = 0; caller < connections; caller++) {
            Thread thread = new Thread(() -> executor.execute(tx -> {
                all.countDown();
                try {
                    all.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }));
            thread.start();
            callers.add(thread);
        }
        callers.forEach(thread -> {
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }
}
