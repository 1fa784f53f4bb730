package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.EvidenceStatement;
import io.github.connecttransactretry.outcome.Incarnation;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** What one attempt takes along to ask by later: the transaction's id, the ledger's token, both or neither. For one thread. */
final class AttemptEvidence {

    private final Journey journey;
    private final Lease lease;
    private final LedgerRow row;
    private CommitEvidence evidence;

    AttemptEvidence(Journey journey, Lease lease, LedgerRow row) {
        this.journey = journey;
        this.lease = lease;
        this.row = row;
    }

    /** What BEGIN has to say besides the driver's own: no message at the session's isolation, one at most otherwise. */
    void begin(Connection connection) throws SQLException {
        TransactionOptions options = journey.options();
        String isolation = options.isolation() == Isolation.SESSION ? ""
                : "SET TRANSACTION ISOLATION LEVEL " + options.isolation().sql() + (options.deferrable() ? ", DEFERRABLE" : "");
        if (row.isClaimedFirst()) {
            row.claim(connection, isolation);
            return;
        }
        String early = options.evidenceAtBegin() && takesTransactionId() ? EvidenceStatement.sql(lease.session()) : "";
        if (!isolation.isEmpty() || !early.isEmpty()) {
            String separator = isolation.isEmpty() || early.isEmpty() ? "" : "; ";
            try (Statement statement = connection.createStatement()) {
                boolean rows = statement.execute(isolation + separator + early);
                if (!early.isEmpty()) {
                    read(statement, rows);
                }
            }
        }
    }

    private void read(Statement statement, boolean rows) throws SQLException {
        if (!rows) {
            statement.getMoreResults();
        }
        try (ResultSet result = statement.getResultSet()) {
            result.next();
            evidence = EvidenceStatement.read(result, lease.session());
        }
    }

    /** Completes it directly before COMMIT, where the id fixes no snapshot and names what is really being committed. */
    void seal() throws SQLException {
        if (journey.options().access() == Access.READ_ONLY || !journey.settings().plan().asks(journey.options())) {
            return;
        }
        if (evidence == null) {
            evidence = takesTransactionId() ? EvidenceStatement.take(lease.connection(), lease.session())
                    : lease.session().evidence();
        }
        evidence = evidence.with(row.token());
        requireTimeline();
    }

    /** Behind a pooler only the evidence tells which server this transaction is on. */
    private void requireTimeline() throws SQLException {
        Incarnation here = evidence.incarnation();
        if (journey.leastTimeline() != null && here != null && here.isOlderThan(journey.leastTimeline())) {
            throw new SQLException("the server is on an older timeline than the one that answered for this call",
                    SqlState.READ_ONLY_SQL_TRANSACTION);
        }
    }

    private boolean takesTransactionId() {
        return journey.options().access() == Access.READ_WRITE
                && journey.settings().plan().takesTransactionId(lease.session(), row.key() != null);
    }

    /** Null until it is complete, or where nobody is going to ask. */
    CommitEvidence taken() {
        return evidence;
    }
}
