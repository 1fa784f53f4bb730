package io.github.connecttransactretry.examples;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.classify.ErrorClassifier;
import io.github.connecttransactretry.classify.Verdict;
import java.io.PrintStream;
import java.sql.SQLException;
import java.util.Optional;
import javax.sql.DataSource;

/** An error of one's own database is worth another attempt; what the classifier does not know, the standard one decides. */
final class OwnClassifier {

    private OwnClassifier() {
    }

    /** Returns the SQLSTATE without the classifier, and the attempt that came through with it. */
    static String run(DataSource dataSource, PrintStream out) throws SQLException {
        Sql.execute(dataSource, "CREATE SEQUENCE asked",
                "CREATE FUNCTION take_from_stock() RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF nextval('asked') < 4 THEN"
                + " RAISE EXCEPTION 'the stock is being counted' USING ERRCODE = 'SHP01'; END IF; END $$");
        ErrorClassifier counting = failure -> "SHP01".equals(failure.sqlState())
                ? Optional.of(Verdict.CONFLICT) : Optional.empty();
        try (ConnectTransactRetry plain = ConnectTransactRetry.builder(dataSource).build();
                ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).classifier(counting).build()) {
            String without = "";
            try {
                plain.execute(tx -> Sql.execute(tx.connection(), "SELECT take_from_stock()"));
            } catch (SQLException handedOn) {
                without = handedOn.getSQLState();
            }
            int attempt = executor.run(tx -> {
                Sql.execute(tx.connection(), "SELECT take_from_stock()");
                return tx.attempt();
            });
            out.println("classifier: without it " + without + " is the caller's, with it attempt " + attempt + " comes through");
            return without + " " + attempt;
        }
    }
}
