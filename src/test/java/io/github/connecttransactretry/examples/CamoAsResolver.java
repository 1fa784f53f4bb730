package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.chaos.Fault;
import io.github.connecttransactretry.chaos.FaultPlan;
import io.github.connecttransactretry.chaos.FaultyDataSource;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CamoResolver;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/**
 * Another way to find out what became of a COMMIT in doubt: {@code bdr.logical_transaction_status} of EDB's PGD. Here a function
 * of that name stands in for it, which asks the server itself.
 */
final class CamoAsResolver {

    private CamoAsResolver() {
    }

    /** Returns what the resolver said. */
    static List<String> run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE orders (reference text)", "CREATE SCHEMA bdr",
                "CREATE FUNCTION bdr.logical_transaction_status(node_id oid, xid oid, require_camo_partner boolean DEFAULT true)"
                + " RETURNS text LANGUAGE sql AS 'SELECT pg_xact_status(xid::text::xid8)'",
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET bdr.local_node_id = ''4711''', current_database()); END $$");
        // The first COMMIT is done and its answer lost, the second one never arrives.
        FaultPlan plan = FaultPlan.script()
                .atCommit(1, "INSERT INTO orders", Fault.LOSE_ANSWER)
                .atCommit(2, "INSERT INTO orders", Fault.CUT_BEFORE);
        List<String> said = new ArrayList<>();
        try (FaultyDataSource faulty = FaultyDataSource.wrap(dataSource, plan);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(faulty)
                        .resolverDataSource(dataSource)
                        .resolvers(new CamoResolver())
                        .listener(event -> {
                            if (event instanceof OutcomeResolved resolved) {
                                said.add(resolved.resolver() + ": " + resolved.outcome().reason());
                            }
                        })
                        .build()) {
            for (String order : List.of("order-1", "order-2")) {
                int attempts = executor.run(tx -> {
                    Sql.execute(tx.connection(), "INSERT INTO orders VALUES ('" + order + "')");
                    return tx.attempt();
                });
                out.println("resolver: " + order + " done at attempt " + attempts + "; " + said.get(said.size() - 1));
            }
        }
        return said;
    }
}
