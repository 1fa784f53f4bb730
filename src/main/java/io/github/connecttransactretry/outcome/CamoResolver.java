package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.OwnTransaction;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * Written after public documentation alone, with no real PGD at hand: asks EDB Postgres Distributed what became of a
 * transaction that was committed under CAMO ("Commit At Most Once"), on the partner of the node that it was sent to, or on
 * that node. Stateless and thread-safe.
 *
 * <p>The question is {@code bdr.logical_transaction_status(node_id oid, xid oid, require_camo_partner boolean)} (PGD 5 and 6,
 * "CAMO functions"). A partner that has not received the transaction decides that it is aborted, for ever. Let the engine's
 * {@code resolverDataSource} lead to the partner too, for example by naming both hosts.
 *
 * <p>It holds for transactions whose commit scope is CAMO, asked about within the 15 minutes for which the partner remembers
 * them: what was in doubt is not asked about by a later {@code resolve(evidence)}, and calls should not last longer. It does
 * not hold under {@code DEGRADE ... TO ASYNC} while the partner is away. A "committed" of the very node is believed only
 * within the {@link Incarnation} of the evidence; the partner cannot tell whether that node has crashed, and given the id out
 * again, before it was asked.
 */
public final class CamoResolver implements CommitOutcomeResolver {

    private static final String NUMBER = "[0-9]{1,10}";

    /** Both ids are 32 bits wide there: the epoch of a transaction id is left out. */
    private static final long WITHOUT_EPOCH = 0xFFFF_FFFFL;

    private static final String QUESTION = "SELECT bdr.logical_transaction_status(?::text::oid, ?::text::oid, true)";

    private final Seal seal = new Seal();

    @Override
    public String name() {
        return "camo";
    }

    @Override
    public CommitOutcome resolve(OutcomeQuestion question) throws SQLException, InterruptedException {
        String refusal = notToBeAsked(question);
        if (refusal != null) {
            return new Unknown(refusal);
        }
        for (int round = 1;; round++) {
            CommitOutcome outcome = ask(question);
            if (outcome != null) {
                return outcome;
            }
            // On another node the backend is not to be found, and is that node's business.
            if (isSameNode(question.session(), question.evidence())) {
                question.fence();
            }
            question.pause(round);
        }
    }

    /** Why the function must not be called, or null. */
    private static String notToBeAsked(OutcomeQuestion question) {
        CommitEvidence evidence = question.evidence();
        if (evidence.transactionId() == null) {
            return "no transaction id was taken before this COMMIT";
        }
        if (evidence.node() == null || !evidence.node().matches(NUMBER)) {
            return "the evidence names no node (bdr.local_node_id) of a PGD cluster that the COMMIT was sent to";
        }
        return question.isLater() ? "CAMO answers for 15 minutes after a COMMIT, and this may be later" : null;
    }

    /** One asking; null while the transaction is in progress. */
    private CommitOutcome ask(OutcomeQuestion question) throws SQLException {
        // Before READ WRITE, which a standby refuses with an error that would pass for final.
        if (question.session().inRecovery()) {
            throw PrimaryCheck.refusal("is in recovery");
        }
        Connection connection = question.connection();
        connection.setAutoCommit(false);
        try (Statement begin = connection.createStatement()) {
            begin.execute(OwnTransaction.READ_COMMITTED);
        }
        CommitOutcome outcome = judge(question, question.session());
        connection.rollback();
        connection.setAutoCommit(true);
        return outcome;
    }

    private CommitOutcome judge(OutcomeQuestion question, ServerSession session) throws SQLException {
        String status;
        try {
            status = status(question.connection(), question.evidence());
        } catch (SQLException absent) {
            if (SqlState.UNDEFINED_FUNCTION.equals(absent.getSQLState()) || SqlState.INVALID_SCHEMA_NAME.equals(absent.getSQLState())) {
                return new Unknown("this server has no bdr.logical_transaction_status: it is no node of PGD");
            }
            throw absent;
        }
        switch (String.valueOf(status)) {
            case "in progress":
                return null;
            case "committed":
                return isAnotherLife(session, question.evidence())
                        ? new Unknown("the node says committed, but it is not known to be in the life that the COMMIT was sent in:"
                        + " the id may be a stranger's") : sealed(question, new Committed("CAMO says committed", null));
            case "aborted":
                return sealed(question, new NotCommitted("CAMO says aborted", null));
            default:
                return new Unknown("CAMO says " + status);
        }
    }

    private static String status(Connection connection, CommitEvidence evidence) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(QUESTION)) {
            select.setString(1, evidence.node());
            select.setString(2, Long.toString(evidence.transactionId() & WITHOUT_EPOCH));
            try (ResultSet row = select.executeQuery()) {
                row.next();
                return row.getString(1);
            }
        }
    }

    private static boolean isSameNode(ServerSession session, CommitEvidence evidence) {
        return evidence.node().equals(session.node());
    }

    private static boolean isAnotherLife(ServerSession session, CommitEvidence evidence) {
        return isSameNode(session, evidence)
                && (session.incarnation() == null || !session.incarnation().continues(evidence.incarnation()));
    }

    /** Asking may have decided the matter: either answer counts once the transaction of the question is there to stay. */
    private CommitOutcome sealed(OutcomeQuestion question, CommitOutcome answer) throws SQLException {
        seal.write(question.connection());
        return question.commitAcknowledged() ? answer
                : new Unknown(answer.reason() + ", but the wait for synchronous replication was cancelled");
    }
}
