package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.classify.SqlState;
import java.sql.SQLException;

/**
 * Whether the server that a question reached is the primary that can answer it: not in recovery, and on no older timeline than
 * the one that the COMMIT was sent to. One that is not is no answer; the question is put again until the deadline. Where the
 * server tells no timeline (before 13, or behind a transaction pooler) only recovery shows.
 */
final class PrimaryCheck {

    private PrimaryCheck() {
    }

    /**
     * The session that the question's connection has there.
     *
     * @throws SQLException as 25006 if it is not the primary
     */
    static ServerSession require(OutcomeQuestion question) throws SQLException {
        ServerSession session = question.session();
        if (session.inRecovery()) {
            throw refusal("is in recovery");
        }
        Incarnation then = question.evidence().incarnation();
        if (isSameCluster(session, then) && session.incarnation().isOlderThan(then.timeline())) {
            throw refusal("writes an older timeline");
        }
        return session;
    }

    /** Why what is not found there proves nothing, since it is another database; or null. */
    static String strangeness(ServerSession session, CommitEvidence evidence) {
        if (!session.database().equals(evidence.database())) {
            return "the COMMIT was sent to database " + evidence.database() + ", and this is " + session.database();
        }
        boolean told = session.incarnation() != null && evidence.incarnation() != null;
        return told && !isSameCluster(session, evidence.incarnation())
                ? "another database cluster answers now: its system identifier differs" : null;
    }

    private static boolean isSameCluster(ServerSession session, Incarnation then) {
        return session.incarnation() != null && then != null
                && session.incarnation().systemIdentifier().equals(then.systemIdentifier());
    }

    /** What a server says of itself that is not the primary: the SQLSTATE is the one by which the engine asks again. */
    static SQLException refusal(String what) {
        return new SQLException("the server that was asked " + what + ": it is not the primary", SqlState.READ_ONLY_SQL_TRANSACTION);
    }
}
