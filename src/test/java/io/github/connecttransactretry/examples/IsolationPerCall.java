package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.TransactionalAction;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import javax.sql.DataSource;

/**
 * SERIALIZABLE for every call by one setting, and weaker where a call says so. Two doctors are on call and each wants to
 * leave if another one stays: only SERIALIZABLE sees to it that one does.
 */
final class IsolationPerCall {

    private IsolationPerCall() {
    }

    /** How many doctors are on call in the end. */
    record OnCall(int serializable, int readCommitted) {
    }

    /** A call with some options or other. */
    interface Call {
        void execute(TransactionalAction<SQLException> action) throws SQLException;
    }

    static OnCall run(DataSource dataSource, PrintStream out) throws SQLException {
        TransactionOptions weaker = TransactionOptions.readCommitted();
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource)
                .defaults(TransactionOptions.serializable())
                .build()) {
            OnCall left = new OnCall(
                    bothLeave(dataSource, action -> executor.execute(action)),
                    bothLeave(dataSource, action -> executor.execute(weaker, action)));
            out.println("isolation: doctors on call after both asked to leave: " + left);
            return left;
        }
    }

    private static int bothLeave(DataSource dataSource, Call call) throws SQLException {
        Sql.execute(dataSource, "DROP TABLE IF EXISTS doctor", "CREATE TABLE doctor (name text PRIMARY KEY, on_call boolean)",
                "INSERT INTO doctor VALUES ('ada', true), ('bob', true)");
        leave(call, "ada", () -> leave(call, "bob", () -> { }));
        return Integer.parseInt(Sql.ask(dataSource, "SELECT count(*) FROM doctor WHERE on_call"));
    }

    private static void leave(Call call, String name, Runnable meanwhile) {
        try {
            call.execute(tx -> {
                boolean another = Sql.ask(tx.connection(), "SELECT count(*) > 1 FROM doctor WHERE on_call").equals("t");
                if (tx.attempt() == 1) {
                    // On a thread of its own: a call inside another one of the same engine is refused.
                    CompletableFuture.runAsync(meanwhile).join();
                }
                if (another) {
                    Sql.execute(tx.connection(), "UPDATE doctor SET on_call = false WHERE name = '" + name + "'");
                }
            });
        } catch (SQLException failed) {
            throw new CompletionException(failed);
        }
    }
}
