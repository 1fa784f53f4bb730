package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.drill.PostgresServer;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** PostgreSQL 12 knows no pg_current_xact_id(). */
class RefusedServerTest {

    @Test
    void aServerWithoutTransactionIdsIsRefusedUnlessNobodyAsksForThem() throws SQLException, URISyntaxException {
        try (PostgresServer old = PostgresServer.builder().fromBinaries(binariesOfTwelve()).launch();
                HikariDataSource pool = pool(old)) {
            assertEquals(12, old.majorVersion());
            AtomicInteger runs = new AtomicInteger();
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
                for (int call = 0; call < 2; call++) {
                    TransactionRefusedException refused =
                            assertThrows(TransactionRefusedException.class, () -> executor.run(tx -> runs.incrementAndGet()));
                    for (String word : new String[] {"PostgreSQL 13 or newer", "this server is 12.", "upgrade it", "outcome(OutcomeMode.NONE)"}) {
                        assertTrue(refused.getMessage().contains(word), refused::getMessage);
                    }
                    assertEquals(1, refused.failures().size(), "at once");
                }
                assertEquals(0, runs.get());
                assertEquals(0, pool.getHikariPoolMXBean().getActiveConnections());
            }
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).outcome(OutcomeMode.NONE).build()) {
                int inserted = executor.run(TransactionOptions.serializable(), tx -> {
                    try (Statement statement = tx.connection().createStatement()) {
                        statement.execute("CREATE TABLE effect(what text)");
                        if (tx.attempt() == 1) {
                            throw new SQLException("go again", "40001");
                        }
                        return statement.executeUpdate("INSERT INTO effect VALUES ('x')");
                    }
                });
                assertEquals(1, inserted);
                assertEquals(1, executor.<Integer, SQLException>run(TransactionOptions.readOnly(), tx -> {
                    try (Statement statement = tx.connection().createStatement();
                            var row = statement.executeQuery("SELECT count(*) FROM effect")) {
                        row.next();
                        return row.getInt(1);
                    }
                }));
            }
        }
    }

    private static HikariDataSource pool(PostgresServer server) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(server.jdbcUrl());
        config.setUsername(PostgresServer.SUPERUSER);
        config.setMaximumPoolSize(1);
        return new HikariDataSource(config);
    }

    /** The build copies it beside the classes. */
    private static Path binariesOfTwelve() throws URISyntaxException {
        Path classes = Path.of(ConnectTransactRetry.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        Path jar = classes.resolveSibling("binaries").resolve("postgres-12.jar");
        assertTrue(Files.isRegularFile(jar), () -> jar + " is missing: run the build's phase generate-test-resources");
        return jar;
    }
}
