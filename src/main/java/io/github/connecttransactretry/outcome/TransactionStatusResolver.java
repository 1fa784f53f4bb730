package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.function.BiPredicate;

/**
 * Finds out by {@code pg_xact_status} (manual, 9.27.8 "Transaction ID and Snapshot Information Functions"). Needs no table,
 * PostgreSQL 13 or newer, and a role with LOGIN. A "committed" is believed only within the {@link Incarnation} in which the
 * evidence was taken, and only once it is sealed. Stateless and thread-safe. Not for extension: write a
 * {@link CommitOutcomeResolver}.
 *
 * <p>It cannot tell between two copies of one cleanly shut down server that were promoted to the same timeline, nor see
 * that a cold copy was put back.
 */
public class TransactionStatusResolver implements CommitOutcomeResolver {

    private static final String IN_PROGRESS = "in progress";
    private static final String FUTURE = "in the future";

    /**
     * The question proper: it reaches pg_xact_status only on a server that in the same statement says that it is not in
     * recovery, has our system identifier and writes no older timeline.
     */
    private static final String QUESTION =
            "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'standby'"
            + " WHEN (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) <> ? THEN 'stranger'"
            + " WHEN pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)"
            + " COLLATE \"C\" < ? THEN 'stale' ELSE pg_catalog.pg_xact_status(?::text::xid8) END";

    private static final String PREPARED =
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts p WHERE p.transaction = (?::text::xid8)::xid)";

    private final BiPredicate<Incarnation, Incarnation> continues;
    private final Seal seal;

    /** The resolver; one may serve many engines. */
    public TransactionStatusResolver() {
        this(Incarnation::continues, new Seal());
    }

    /** For tests, which break one part of it on purpose and must see that the audit catches it. */
    TransactionStatusResolver(BiPredicate<Incarnation, Incarnation> continues, Seal seal) {
        this.continues = continues;
        this.seal = seal;
    }

    @Override
    public String name() {
        return "transaction-status";
    }

    @Override
    public CommitOutcome resolve(OutcomeQuestion question) throws SQLException, InterruptedException {
        if (question.evidence().transactionId() == null) {
            return new Unknown("no transaction id was taken before this COMMIT");
        }
        if (question.evidence().incarnation() == null) {
            return new Unknown("the server's incarnation could not be read when the evidence was taken");
        }
        boolean seenGone = false;
        for (int round = 1;; round++) {
            Reading reading = ask(question);
            if (reading.outcome() != null) {
                return reading.outcome();
            }
            if (!reading.sameLife() && question.evidence().ledger() != null) {
                return new Unknown("a transaction of that id is in progress in another life of the server: the ledger decides");
            }
            if (seenGone && !reading.sameLife()) {
                // Asked after our backend was seen gone: the transaction in progress under our id is a stranger's.
                return negative(question, reading.here(), "its backend is gone and another transaction bears its id");
            }
            // Behind a pooler the backend is known by its transaction alone, whose id is a stranger's in another life.
            boolean unknowable = question.evidence().backend().start() == null && !reading.sameLife();
            BackendFence.Result backend = unknowable ? BackendFence.Result.GONE : question.fence();
            CommitOutcome outcome = whileInProgress(question, backend);
            if (outcome != null) {
                return outcome;
            }
            seenGone = backend == BackendFence.Result.GONE;
            question.pause(round);
        }
    }

    /** What "in progress" means by how the backend was found; null to ask again. */
    CommitOutcome whileInProgress(OutcomeQuestion question, BackendFence.Result backend) throws SQLException {
        return backend == BackendFence.Result.GONE && isPrepared(question)
                ? new Unknown("the transaction is prepared (pg_prepared_xacts) and waits for COMMIT PREPARED")
                : null;
    }

    /** One asking: what it decided, or null while in progress; the server's life now, and whether it is still the same. */
    private record Reading(CommitOutcome outcome, Incarnation here, boolean sameLife) {
    }

    private Reading ask(OutcomeQuestion question) throws SQLException {
        Connection connection = question.connection();
        connection.setAutoCommit(false);
        try (Statement begin = connection.createStatement()) {
            begin.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
        }
        Incarnation here = incarnation(question);
        boolean sameLife = continues.test(here, question.evidence().incarnation());
        CommitOutcome outcome = judge(question, status(connection, question.evidence()), here, sameLife);
        connection.rollback();
        connection.setAutoCommit(true);
        return new Reading(outcome, here, sameLife);
    }

    private static Incarnation incarnation(OutcomeQuestion question) throws SQLException {
        try {
            ServerSession session = question.session();
            if (session.incarnation() != null) {
                return session.incarnation();
            }
        } catch (SQLException refused) {
            // How a standby before 14 says that it is one: it cannot read an UNLOGGED table.
            if (!SqlState.FEATURE_NOT_SUPPORTED.equals(refused.getSQLState())) {
                throw refused;
            }
        }
        throw PrimaryCheck.refusal("is in recovery");
    }

    private static String status(Connection connection, CommitEvidence evidence) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(QUESTION)) {
            select.setString(1, evidence.incarnation().systemIdentifier());
            select.setString(2, evidence.incarnation().timeline());
            select.setString(3, Long.toUnsignedString(evidence.transactionId()));
            try (ResultSet row = select.executeQuery()) {
                row.next();
                return row.getString(1);
            }
        } catch (SQLException refused) {
            // 22023 and nothing else says "in the future": pg_snapshot_xmax also says so of the newest running transaction.
            if (SqlState.INVALID_PARAMETER_VALUE.equals(refused.getSQLState())) {
                return FUTURE;
            }
            throw refused;
        }
    }

    private CommitOutcome judge(OutcomeQuestion question, String status, Incarnation here, boolean sameLife)
            throws SQLException {
        if (status == null) {
            return new Unknown("the transaction is too old: the server has discarded its status");
        }
        switch (status) {
            case IN_PROGRESS:
                return null;
            case "committed":
                return sameLife ? sealed(question, here) : new Unknown("the server says committed, but "
                        + (question.evidence().incarnation().isTold()
                        ? "crashed or was promoted since: the id may be a stranger's"
                        : "in which of its lives the COMMIT was sent could not be told: the incarnation table could not be read"));
            case "aborted":
                return negative(question, here, "the server says aborted");
            case FUTURE:
                return sameLife ? new Unknown("the server gave out this id and now says that it lies in the future")
                        : negative(question, here, "the server lost this id in a crash or promotion");
            case "stranger":
                return new Unknown("another database cluster answers now: its system identifier differs");
            default:
                throw PrimaryCheck.refusal(status.equals("stale") ? "writes an older timeline" : "is in recovery");
        }
    }

    private CommitOutcome sealed(OutcomeQuestion question, Incarnation here) throws SQLException {
        seal.write(question.connection());
        return question.commitAcknowledged()
                ? new Committed("the server says committed, and acknowledged a later commit", here.timeline())
                : new Unknown("the server says committed, but its wait for synchronous replication was cancelled");
    }

    private static CommitOutcome negative(OutcomeQuestion question, Incarnation here, String reason) {
        boolean sameTimeline = here.timeline().equals(question.evidence().incarnation().timeline());
        return sameTimeline || question.physicalReplication()
                ? new NotCommitted(reason, here.timeline())
                : new Unknown(reason + ", but on another timeline, and the engine was told not to trust that");
    }

    private static boolean isPrepared(OutcomeQuestion question) throws SQLException {
        try (PreparedStatement select = question.connection().prepareStatement(PREPARED)) {
            select.setString(1, Long.toUnsignedString(question.evidence().transactionId()));
            try (ResultSet row = select.executeQuery()) {
                row.next();
                return row.getBoolean(1);
            }
        }
    }
}
