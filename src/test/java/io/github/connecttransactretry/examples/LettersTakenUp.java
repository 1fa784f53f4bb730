package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TakeUpReport;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.deadletter.TableDeadLetters;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import javax.sql.DataSource;

/** A call that failed for good leaves a letter. Once the cause is mended, its work is done, once. */
final class LettersTakenUp {

    private LettersTakenUp() {
    }

    /** Returns the reports of taking up all letters, three times. */
    static List<TakeUpReport> run(DataSource dataSource, PrintStream out) throws Exception {
        Sql.execute(dataSource, "CREATE TABLE customer (name text PRIMARY KEY)",
                "CREATE TABLE orders (customer text REFERENCES customer)");
        CommitSchema.standard().install(dataSource);
        CommitLedger.standard().enable(dataSource);
        TableDeadLetters letters = new TableDeadLetters(dataSource);
        letters.install(dataSource);
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).deadLetters(letters).build()) {
            TransactionOptions options = TransactionOptions.defaults().withLabel("order").withDeadLetter("ada");
            try {
                executor.execute(options, tx -> placeOrder(tx.connection(), "ada"));
            } catch (SQLException failed) {
                DeadLetter letter = letters.open().get(0);
                out.println("letter: " + letter.label() + " of " + letter.payload() + " failed with " + letter.sqlStates());
            }
            TakeUpReport tooEarly = takeUpAll(executor, letters);
            Sql.execute(dataSource, "INSERT INTO customer VALUES ('ada')");
            List<TakeUpReport> reports = List.of(tooEarly, takeUpAll(executor, letters), takeUpAll(executor, letters));
            reports.forEach(report -> out.println("letters taken up: " + report.done() + ", failed: "
                    + report.failed().size()));
            return reports;
        }
    }

    private static TakeUpReport takeUpAll(ConnectTransactRetry executor, TableDeadLetters letters) throws Exception {
        return executor.takeUpAll(TransactionOptions.defaults(), letters,
                (tx, letter) -> placeOrder(tx.connection(), letter.payload()));
    }

    private static void placeOrder(Connection connection, String customer) throws SQLException {
        Sql.execute(connection, "INSERT INTO orders VALUES ('" + customer + "')");
    }
}
