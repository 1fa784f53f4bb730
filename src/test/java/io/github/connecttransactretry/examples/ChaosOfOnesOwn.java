package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.chaos.ExactlyOnce;
import io.github.connecttransactretry.chaos.Fault;
import io.github.connecttransactretry.chaos.FaultPlan;
import io.github.connecttransactretry.chaos.FaultyDataSource;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;

/** A chaos test of one's own function: one that bears to be repeated, and one that remembers what was rolled back. */
final class ChaosOfOnesOwn {

    private ChaosOfOnesOwn() {
    }

    /** What is tried. */
    interface Placing {
        void place(Connection connection, String reference) throws SQLException;
    }

    /** The verdicts on both. */
    record Verdicts(AuditReport good, AuditReport bad) {
    }

    static Verdicts run(DataSource dataSource, long seed, PrintStream out) throws SQLException {
        AuditReport good = trial(dataSource, "good_orders", seed, (connection, reference) ->
                Sql.execute(connection, "INSERT INTO good_orders VALUES ('" + reference + "')"));
        Set<String> placed = ConcurrentHashMap.newKeySet();
        AuditReport bad = trial(dataSource, "bad_orders", seed, (connection, reference) -> {
            if (placed.add(reference)) {
                Sql.execute(connection, "INSERT INTO bad_orders VALUES ('" + reference + "')");
            }
        });
        out.println("chaos, seed " + seed + ", good: " + good);
        out.println("chaos, seed " + seed + ", bad: " + bad);
        return new Verdicts(good, bad);
    }

    private static AuditReport trial(DataSource dataSource, String table, long seed, Placing placing) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE " + table + " (reference text)");
        FaultPlan plan = FaultPlan.seeded(seed)
                .atCommits(0.1, Fault.LOSE_ANSWER)
                .atCommits(0.1, Fault.DELIVER_LATE)
                .atStatements(0.1, Fault.raise("40001"));
        try (FaultyDataSource faulty = FaultyDataSource.wrap(dataSource, plan);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(faulty).build()) {
            return ExactlyOnce.under(faulty, dataSource)
                    .calls(50)
                    .effects("SELECT reference FROM " + table)
                    .run(call -> executor.run(tx -> {
                        placing.place(tx.connection(), call.id());
                        return call.attempt(tx.connection());
                    }));
        }
    }
}
