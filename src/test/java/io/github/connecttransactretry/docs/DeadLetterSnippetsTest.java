package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TakeUpReport;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.deadletter.JsonLinesDeadLetters;
import io.github.connecttransactretry.deadletter.TableDeadLetters;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.outcome.CommitLedger;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java of docs/dead-letters.md, run on a real server; see {@link SnippetsTest}. */
class DeadLetterSnippetsTest {

    private final List<String> notebook = new ArrayList<>();
    private boolean full = true;

    @Test
    void lettersAreKeptAndTakenUp(@TempDir Path directory) throws Exception {
        try (TestDatabase database = TestDatabase.launch()) {
            database.execute("CREATE TABLE placed (what text)");
            CommitSchema.standard().install(database.plain(""));
            CommitLedger.standard().enable(database.plain(""));
            DataSource dataSource = database.plain("");
            DataSource letterDataSource = Pools.asDataSource(() -> {
                throw new SQLException("away");
            });
            assertThrows(SQLException.class, () -> failing(dataSource, letterDataSource, directory));
            assertEquals(0, database.count("placed"));
            full = false;
            JsonLinesDeadLetters file = new JsonLinesDeadLetters(directory.resolve("letters.jsonl"));
            try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build()) {
                // snippet
                TakeUpReport report = executor.takeUpAll(TransactionOptions.defaults(), file,
                        (tx, letter) -> placeAgain(tx.connection(), letter.payload()));
                report.failed().forEach(failure -> notebook.add(failure.letter().id() + ": " + failure.thrown()));
                // end
                assertEquals(new TakeUpReport(1, 0, List.of(), 0), report);
                assertEquals(List.of(), notebook);
            }
            assertEquals("{\"order\": 4711, \"customer\": \"ada\"}", database.ask("SELECT what FROM placed"));
        }
    }

    private void failing(DataSource dataSource, DataSource letterDataSource, Path directory) throws SQLException {
        // snippet
        JsonLinesDeadLetters file = new JsonLinesDeadLetters(directory.resolve("letters.jsonl"));
        TableDeadLetters table = new TableDeadLetters(letterDataSource);
        ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource)
                .deadLetters(table.orElse(file))
                .build();
        TransactionOptions options = TransactionOptions.idempotencyKey("order-4711")
                .withLabel("order")
                .withDeadLetter("{\"order\": 4711, \"customer\": \"ada\"}");
        executor.execute(options, tx -> placeOrder(tx.connection(), 4711, "ada"));
        // end
    }

    private void placeOrder(Connection connection, int order, String customer) throws SQLException {
        placeAgain(connection, order + customer);
    }

    private void placeAgain(Connection connection, String what) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(full ? "INSERT INTO missing VALUES (1)" : "INSERT INTO placed VALUES ('" + what + "')");
        }
    }
}
