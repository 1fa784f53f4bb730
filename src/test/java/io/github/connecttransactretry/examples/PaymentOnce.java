package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.IdempotencyConflictException;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** A request that is sent again takes effect once, and gets the first answer. */
final class PaymentOnce {

    private PaymentOnce() {
    }

    /** Returns the receipts of three requests, and what became of one with the same key and other content. */
    static List<String> run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE TABLE payment (id serial, amount int)");
        CommitSchema.standard().install(dataSource);
        CommitLedger.standard().enable(dataSource);
        List<String> receipts = new ArrayList<>();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build()) {
            for (int request = 1; request <= 3; request++) {
                receipts.add(pay(executor, "request-4711", 42));
            }
            try {
                receipts.add(pay(executor, "request-4711", 43));
            } catch (IdempotencyConflictException other) {
                out.println("key: the same one for another amount: " + other.getMessage());
                receipts.add("refused");
            }
        }
        out.println("key: four requests, receipts " + receipts + ", payments "
                + Sql.ask(dataSource, "SELECT count(*) FROM payment"));
        return receipts;
    }

    private static String pay(ConnectTransactRetry executor, String request, int amount) throws SQLException {
        IdempotencyKey key = IdempotencyKey.of(request).withFingerprint("amount " + amount).withResult(ResultCodec.text());
        return executor.run(TransactionOptions.idempotencyKey(key), tx ->
                Sql.ask(tx.connection(), "INSERT INTO payment (amount) VALUES (" + amount + ") RETURNING 'receipt ' || id"));
    }
}
