package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Locale;
import java.util.function.IntFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

/** What each way to find an outcome out costs a call that goes well. Prints the table that docs/ledger.md quotes. */
class OutcomeCostTest {

    private static final int CALLS = 500;

    private static PostgresServer server;
    private static WireProxy proxy;

    /** What one call with one INSERT costs. */
    private record Cost(long roundTrips, long bytesOfWal, long rows) {
    }

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.builder().setting("fsync", "off").setting("autovacuum", "off").setting("checkpoint_timeout", "1h")
                .launch();
        proxy = WireProxy.to(server.port());
        PGSimpleDataSource direct = new PGSimpleDataSource();
        direct.setUrl(server.jdbcUrl());
        direct.setUser(PostgresServer.SUPERUSER);
        CommitSchema.standard().install(direct);
        CommitScene.execute(server, "CREATE TABLE work (what text)");
    }

    @AfterAll
    static void close() {
        proxy.close();
        server.close();
    }

    @Test
    void costsOfACallWithOneInsert() throws SQLException {
        System.out.println("outcome by             round trips   WAL bytes   rows");
        Cost none = of("none", OutcomeMode.NONE, i -> TransactionOptions.defaults());
        Cost status = of("status", OutcomeMode.STATUS, i -> TransactionOptions.defaults());
        Cost ledger = of("ledger", OutcomeMode.LEDGER, i -> TransactionOptions.defaults());
        Cost both = of("status then ledger", OutcomeMode.STATUS_THEN_LEDGER, i -> TransactionOptions.defaults());
        Cost keyed = of("ledger, keyed", OutcomeMode.LEDGER, i -> TransactionOptions.idempotencyKey(
                IdempotencyKey.of("payment-" + i).withResult(ResultCodec.text())));
        Cost repeated = of("ledger, keyed, repeated", OutcomeMode.LEDGER, i -> TransactionOptions.idempotencyKey(
                IdempotencyKey.of("payment-" + i).withResult(ResultCodec.text())));
        assertEquals(2, none.roundTrips());
        assertEquals(3, status.roundTrips());
        assertEquals(2, ledger.roundTrips());
        assertEquals(3, both.roundTrips());
        assertEquals(3, keyed.roundTrips());
        assertEquals(0, status.rows());
        assertEquals(1, ledger.rows());
        assertEquals(0, repeated.rows());
        assertTrue(status.bytesOfWal() < none.bytesOfWal() + 20, "the evidence writes nothing");
        assertTrue(ledger.bytesOfWal() > none.bytesOfWal() + 100 && ledger.bytesOfWal() < none.bytesOfWal() + 1000, ledger::toString);
    }

    private static Cost of(String name, OutcomeMode mode, IntFunction<TransactionOptions> options) throws SQLException {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(server.jdbcUrl(proxy.port()));
        config.setUsername(PostgresServer.SUPERUSER);
        config.setMaximumPoolSize(1);
        try (HikariDataSource pool = new HikariDataSource(config);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(pool).outcome(mode).build()) {
            executor.run(OutcomeCostTest::work);
            CommitScene.execute(server, "CHECKPOINT");
            // Writes each page once, so that no full-page image is counted.
            executor.run(OutcomeCostTest::work);
            long rows = number("SELECT count(*) FROM connect_transact_retry.commit_ledger");
            long wal = number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')");
            proxy.resetRoundTrips();
            for (int i = 0; i < CALLS; i++) {
                executor.run(options.apply(i), OutcomeCostTest::work);
            }
            Cost cost = new Cost(Math.round((double) proxy.roundTrips() / CALLS),
                    (number("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')") - wal) / CALLS,
                    (number("SELECT count(*) FROM connect_transact_retry.commit_ledger") - rows) / CALLS);
            System.out.printf(Locale.ROOT, "%-24s %9d %11d %6d%n", name, cost.roundTrips(), cost.bytesOfWal(), cost.rows());
            return cost;
        }
    }

    private static String work(Transaction transaction) throws SQLException {
        try (PreparedStatement insert = transaction.connection().prepareStatement("INSERT INTO work VALUES ('done')")) {
            insert.executeUpdate();
            return "done";
        }
    }

    private static long number(String query) throws SQLException {
        return (long) Double.parseDouble(CommitScene.ask(server, query));
    }
}
