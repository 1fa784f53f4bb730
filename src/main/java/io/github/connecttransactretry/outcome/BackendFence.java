package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.classify.SqlState;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * Ends an abandoned server process, which may still get the COMMIT that is in flight or sits on row locks that the call's
 * own retry would wait for. Needs only that the backend is of the same role (manual, 9.28.2 "Server Signaling Functions").
 * Stateless and thread-safe.
 *
 * <p>A backend is ended only while it is idle in a transaction, or busy with something that is not a COMMIT, or waits for the
 * rest of a COMMIT of which only the head has arrived (a connection fell silent in the middle of it; found by cutting it after
 * every byte). Ended between its commit and the wait for a synchronous standby it has committed without replication (measured
 * 10 times of 10), and a failover would lose what was reported. The moment between look and act is covered by the seal.
 */
public class BackendFence {

    /** How an abandoned backend was found. */
    public enum Result {
        /** It is not there any more: what it did not commit it never will. */
        GONE,
        /** It was told to end; the end shows in {@code pg_stat_activity} within milliseconds. */
        TERMINATED,
        /** It is busy with a COMMIT, and is waited for. */
        COMMITTING,
        /** It has no transaction open. */
        IDLE,
        /** It is another role's, or was never made out, so that nothing can be seen of it; it counts as living. */
        HIDDEN,
        /** It is alive, and fencing is off or was refused. */
        LIVING
    }

    /**
     * A COMMIT, or what may become one, at the head of a statement or of any part of a text of several. Comments before the
     * keyword are allowed for; a semicolon inside a literal only makes the fence more careful than it need be.
     */
    private static final String MAY_COMMIT = "(^|;)(\\s|--[^\\n]*\\n|/\\*.*?\\*/)*(commit|end|prepare\\s+transaction)\\M";

    private static final String SELECT =
            "SELECT CASE WHEN a.state IS NULL OR a.state = 'disabled' THEN 'HIDDEN'"
            + " WHEN a.state = 'idle' THEN 'IDLE'"
            + " WHEN a.state IN ('active', 'fastpath function call') AND a.query ~* ?"
            // Busy with a message of which only the head has come, the backend waits for its client, as an idle one does.
            + " AND (a.wait_event_type = 'Client' AND a.wait_event = 'ClientRead') IS NOT TRUE THEN 'COMMITTING'"
            + " WHEN NOT ? THEN 'LIVING'"
            + " WHEN pg_catalog.pg_terminate_backend(a.pid) THEN 'TERMINATED' ELSE 'GONE' END"
            + " FROM pg_catalog.pg_stat_activity a WHERE a.pid = ? AND ";

    private static final String SAME_PROCESS = "(a.backend_start IS NULL OR " + SessionReader.BACKEND_START + " = ?)";
    private static final String SAME_TRANSACTION = "a.backend_xid = (?::text::xid8)::xid";

    private final boolean terminates;
    private final String mayCommit;

    /**
     * A fence.
     *
     * @param terminates false to look only, and wait
     */
    public BackendFence(boolean terminates) {
        this(terminates, MAY_COMMIT);
    }

    /** For tests, which break it on purpose and must see that the audit catches it. */
    BackendFence(boolean terminates, String mayCommit) {
        this.terminates = terminates;
        this.mayCommit = mayCommit;
    }

    /** Whether it ends backends, rather than looking only. */
    public boolean terminates() {
        return terminates;
    }

    /**
     * Looks at the backend of a transaction and ends it if it may be ended.
     *
     * @param connection in autocommit, of the same role
     * @param evidence   names the backend, or behind a pooler the transaction that it must hold
     * @throws SQLException if the connection failed
     */
    public Result fence(Connection connection, CommitEvidence evidence) throws SQLException {
        if (evidence.backend().start() != null) {
            return fence(connection, evidence.backend());
        }
        return evidence.transactionId() == null ? Result.HIDDEN
                : ask(connection, evidence.backend().pid(), SAME_TRANSACTION, Long.toUnsignedString(evidence.transactionId()));
    }

    /**
     * Looks at a backend and ends it if it may be ended.
     *
     * @param connection in autocommit, of the same role
     * @param backend    with its start
     * @throws SQLException if the connection failed
     */
    public Result fence(Connection connection, Backend backend) throws SQLException {
        return ask(connection, backend.pid(), SAME_PROCESS, backend.start());
    }

    private Result ask(Connection connection, int pid, String identity, String value) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(SELECT + identity)) {
            select.setString(1, mayCommit);
            select.setBoolean(2, terminates);
            select.setInt(3, pid);
            select.setString(4, value);
            try (ResultSet row = select.executeQuery()) {
                return row.next() ? Result.valueOf(row.getString(1)) : Result.GONE;
            }
        } catch (SQLException refused) {
            if (SqlState.INSUFFICIENT_PRIVILEGE.equals(refused.getSQLState())) {
                return Result.LIVING;
            }
            throw refused;
        }
    }
}
