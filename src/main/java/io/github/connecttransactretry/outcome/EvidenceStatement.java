package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * The one statement that names the transaction, run directly before COMMIT. It touches no table, so that whatever role the
 * function has set cannot make it fail. There the id fixes no snapshot; at BEGIN it does, under REPEATABLE READ and
 * SERIALIZABLE (measured). A failed transaction shows itself here as 25P02.
 */
public final class EvidenceStatement {

    private static final String TRANSACTION = "SELECT pg_catalog.pg_current_xact_id()::text, pg_catalog.pg_backend_pid()";

    private EvidenceStatement() {
    }

    /** The SQL: behind a transaction pooler it reads the incarnation and the node too, since only here the server is certain. */
    public static String sql(ServerSession session) {
        String server = session.pooled() ? ", " + SessionReader.INCARNATION + ", " + SessionReader.NODE : "";
        return TRANSACTION + server + ", " + Seal.WARNINGS_ON;
    }

    /**
     * Takes the evidence in the open transaction.
     *
     * @param connection with the transaction open
     * @param session    what was learnt of the connection
     * @throws SQLException if the transaction has failed or the connection is lost
     */
    public static CommitEvidence take(Connection connection, ServerSession session) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(sql(session)); ResultSet row = select.executeQuery()) {
            row.next();
            return read(row, session);
        }
    }

    /**
     * Reads the evidence from a result of {@link #sql}, standing on its row.
     *
     * @throws SQLException if it cannot be read
     */
    public static CommitEvidence read(ResultSet row, ServerSession session) throws SQLException {
        long transactionId = Long.parseUnsignedLong(row.getString(1));
        int pid = row.getInt(2);
        if (session.pooled()) {
            Incarnation here = new Incarnation(row.getString(3), row.getString(4), row.getString(5), null);
            return new CommitEvidence(session.database(), transactionId, new Backend(pid, null), here, null, row.getString(6));
        }
        // Another process than the one that was learnt: something between has switched servers unseen. Believe nothing.
        boolean sameBackend = pid == session.backend().pid();
        return new CommitEvidence(session.database(), transactionId,
                sameBackend ? session.backend() : new Backend(pid, null), sameBackend ? session.incarnation() : null, null,
                sameBackend ? session.node() : null);
    }
}
