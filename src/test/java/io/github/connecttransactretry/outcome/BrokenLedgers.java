package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/** Parts of the ledger and the fence that are broken in one thing each, through seams that only tests reach. */
public final class BrokenLedgers {

    private BrokenLedgers() {
    }

    /** Looks whether the row is there, and takes its absence for an answer: nothing keeps a late COMMIT out. */
    public static LedgerResolver lookingInsteadOfWriting(CommitSchema schema) {
        return new LedgerResolver(schema) {
            @Override
            Found tombstone(Connection connection, LedgerToken token) throws SQLException {
                try (PreparedStatement select = connection.prepareStatement(
                        "SELECT kind FROM " + schema.ledger() + " WHERE token = ?")) {
                    select.setObject(1, token.token());
                    try (ResultSet row = select.executeQuery()) {
                        return row.next() ? new Found(row.getString(1), false) : new Found("tombstone", true);
                    }
                }
            }
        };
    }

    /** Passes over a row that is there, a tombstone too, so that the COMMIT behind it goes through. */
    public static LedgerWriter passingOverTombstones(CommitSchema schema) {
        return new LedgerWriter(schema, " ON CONFLICT DO NOTHING");
    }

    /** Ends a backend whatever it is doing, in its COMMIT too. */
    public static BackendFence endingCommits() {
        return new BackendFence(true, "nothing is said so");
    }
}
