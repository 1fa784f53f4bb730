package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireScript;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A HikariCP whose first connection was lost at the one moment that it does not recover from. */
class SpoiledPoolTest {

    private final PostgresServer server = PostgresServer.launch();
    private final WireProxy proxy = WireProxy.to(server.port());

    @AfterEach
    void close() {
        proxy.close();
        server.close();
    }

    private HikariConfig config() {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(server.jdbcUrl(proxy.port()));
        config.setUsername(PostgresServer.SUPERUSER);
        config.setMaximumPoolSize(1);
        config.setConnectionTimeout(1000);
        // Such a pool begins even where there is nobody to connect to.
        config.setInitializationFailTimeout(-1);
        proxy.script(WireScript.once(request -> request.mentions("TRANSACTION ISOLATION LEVEL"), WireAction.CUT_BEFORE));
        return config;
    }

    @Test
    void thatIsSaidAndTheMend() {
        try (HikariDataSource pool = new HikariDataSource(config());
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
            awaitCut();
            TransactionRefusedException refused = assertThrows(TransactionRefusedException.class, () -> executor.execute(tx -> { }));
            assertTrue(refused.getMessage().contains("build the pool anew"), refused::getMessage);
            assertTrue(refused.getMessage().contains("set transactionIsolation on the pool"), refused::getMessage);
        }
    }

    @Test
    void withTheLevelSetItComesBack() throws SQLException {
        HikariConfig config = config();
        config.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
        try (HikariDataSource pool = new HikariDataSource(config);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).build()) {
            awaitCut();
            int level = executor.run(tx -> tx.connection().getTransactionIsolation());
            assertEquals(Connection.TRANSACTION_READ_COMMITTED, level);
        }
    }

    private void awaitCut() {
        Await.until("the first connection to be lost", Duration.ofSeconds(10),
                () -> proxy.recentRequests().stream().anyMatch(request -> request.mentions("TRANSACTION ISOLATION LEVEL")));
    }
}
