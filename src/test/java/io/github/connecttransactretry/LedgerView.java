package io.github.connecttransactretry;

import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;

/** The rows of one ledger, as a session that has nothing to do with any engine sees them. */
record LedgerView(DataSource dataSource, CommitSchema schema) {

    /** The standard ledger of a scene, which is installed if it is not there. */
    static LedgerView installed(CommitScene scene) throws SQLException {
        return installed(scene.dataSource(), CommitSchema.standard());
    }

    static LedgerView installed(DataSource dataSource, CommitSchema schema) throws SQLException {
        schema.install(dataSource);
        return new LedgerView(dataSource, schema);
    }

    /** What the row under the token of an attempt is: committed, tombstone, or nothing. */
    String kind(CommitEvidence evidence) throws SQLException {
        return ask("SELECT COALESCE((SELECT kind FROM " + schema.ledger() + " WHERE token = '" + evidence.ledger().token()
                + "'), 'nothing')");
    }

    long rows() throws SQLException {
        return Long.parseLong(ask("SELECT count(*) FROM " + schema.ledger()));
    }

    /** Every column of every row: what has this text before and after was not written to. */
    String content() throws SQLException {
        return ask("SELECT COALESCE(string_agg(l::text, E'\\n' ORDER BY token), '') FROM " + schema.ledger() + " l");
    }

    private String ask(String query) throws SQLException {
        try (Connection connection = dataSource.getConnection(); Statement select = connection.createStatement();
                ResultSet row = select.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }
}
