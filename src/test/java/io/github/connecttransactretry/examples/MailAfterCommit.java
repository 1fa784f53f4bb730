package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.chaos.Fault;
import io.github.connecttransactretry.chaos.FaultPlan;
import io.github.connecttransactretry.chaos.FaultyDataSource;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** What the world may see only once is done after the commit is proven, however often the function ran. */
final class MailAfterCommit {

    private MailAfterCommit() {
    }

    /** How often the function ran, and what was mailed. */
    record Seen(int runs, List<String> mails) {
    }

    static Seen run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE orders (reference text)");
        // The first attempt meets a conflict, and the answer to the second one's COMMIT is lost.
        FaultPlan plan = FaultPlan.script()
                .atStatement(1, "INSERT INTO orders", Fault.raise("40001"))
                .atCommit(1, "INSERT INTO orders", Fault.LOSE_ANSWER);
        List<String> mails = new ArrayList<>();
        List<Integer> runs = new ArrayList<>();
        try (FaultyDataSource faulty = FaultyDataSource.wrap(dataSource, plan);
                ConnectTransactRetry executor = ConnectTransactRetry.builder(faulty).resolverDataSource(dataSource).build()) {
            executor.execute(tx -> {
                runs.add(tx.attempt());
                tx.afterCommit(() -> mails.add("thank you for order-1"));
                Sql.execute(tx.connection(), "INSERT INTO orders VALUES ('order-1')");
            });
            out.println("after commit: the function ran " + runs.size() + " times, mails " + mails + ", faults " + faulty.done());
        }
        return new Seen(runs.size(), mails);
    }
}
