package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.ground.TransactionState;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.EvidenceStatement;
import io.github.connecttransactretry.outcome.Incarnation;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLTimeoutException;
import java.sql.Statement;

/**
 * One attempt, from taking a connection to the end of COMMIT. Throws nothing: how it ended is its result.
 *
 * @param <T> the function's value
 * @param <X> what the function may throw
 */
final class Attempt<T, X extends Exception> {

    private final Journey journey;
    private final TransactionalFunction<T, X> function;
    private final Engine engine;
    private Phase phase = Phase.CONNECT;
    private Lease lease;
    private ConnectionGuard guard;
    private LiveTransaction transaction;
    private CommitEvidence evidence;
    private boolean byFunction;

    Attempt(Journey journey, TransactionalFunction<T, X> function, Engine engine) {
        this.journey = journey;
        this.function = function;
        this.engine = engine;
    }

    AttemptResult<T> run() {
        T value;
        try {
            connect();
            begin();
            value = body();
            if (!transaction.isRollbackOnly()) {
                sealEvidence();
            }
        } catch (Throwable thrown) {
            return failed(byFunction ? orEnded(thrown) : thrown);
        }
        if (transaction.isRollbackOnly() || isEmpty()) {
            return over(value);
        }
        return new CommitStep<>(this, value).run();
    }

    private void connect() throws SQLException, InterruptedException {
        lease = engine.connector().take(journey);
    }

    /** No message of its own at the session's isolation; otherwise one that rides with the driver's BEGIN. */
    private void begin() throws SQLException {
        phase = Phase.BEGIN;
        TransactionOptions options = journey.options();
        Connection connection = lease.connection();
        connection.setReadOnly(options.access() == Access.READ_ONLY);
        connection.setAutoCommit(false);
        if (options.access() == Access.READ_ONLY && !lease.physical().enforcesReadOnly()) {
            throw Refusals.readOnlyIgnored();
        }
        String isolation = options.isolation() == Isolation.SESSION ? ""
                : "SET TRANSACTION ISOLATION LEVEL " + options.isolation().sql() + (options.deferrable() ? ", DEFERRABLE" : "");
        String early = options.evidenceAtBegin() && takesEvidence() ? EvidenceStatement.sql(lease.session()) : "";
        if (!isolation.isEmpty() || !early.isEmpty()) {
            String separator = isolation.isEmpty() || early.isEmpty() ? "" : "; ";
            try (Statement statement = connection.createStatement()) {
                boolean rows = statement.execute(isolation + separator + early);
                if (!early.isEmpty()) {
                    readEvidence(statement, rows);
                }
            }
        }
        guard = new ConnectionGuard(lease, options.access() == Access.READ_ONLY);
        transaction = new LiveTransaction(guard.connection(), journey.attempt(), journey.deadline());
    }

    private void readEvidence(Statement statement, boolean rows) throws SQLException {
        if (!rows) {
            statement.getMoreResults();
        }
        try (ResultSet row = statement.getResultSet()) {
            row.next();
            evidence = EvidenceStatement.read(row, lease.session());
        }
    }

    private T body() throws X, SQLException, InterruptedException {
        phase = Phase.BODY;
        byFunction = true;
        T value = engine.insideFunction(function, transaction);
        byFunction = false;
        guard.kill();
        if (guard.isBusy()) {
            throw Refusals.stillRunning();
        }
        if (hasEnded()) {
            throw Refusals.endedBySql(null);
        }
        if (!transaction.isRollbackOnly()) {
            requireCommittable();
        }
        return value;
    }

    /** Whether the function ended the transaction by itself, so that what it did may be committed and a retry would double it. */
    private boolean hasEnded() {
        return lease.physical().transactionState() == TransactionState.IDLE && guard.hasBegun() && !lease.isLost();
    }

    private Throwable orEnded(Throwable thrown) {
        if (thrown instanceof Error || !hasEnded()) {
            return thrown;
        }
        byFunction = false;
        return Refusals.endedBySql(thrown);
    }

    /** What the function did that was refused, or kept to itself. An error comes first: after it a rollback() may well be tried. */
    private void requireCommittable() throws SQLException, InterruptedException {
        if (lease.isLost()) {
            throw lossSeen();
        }
        if (lease.physical().transactionState() == TransactionState.FAILED) {
            throw swallowed();
        }
        if (guard.conflict() != null) {
            throw guard.conflict();
        }
        if (guard.refusal() != null) {
            throw new TransactionRefusedException(guard.refusal().getMessage(), guard.refusal(), journey.failures());
        }
        if (Thread.currentThread().isInterrupted()) {
            throw new InterruptedException("interrupted before COMMIT");
        }
        requireTime();
    }

    private SQLException lossSeen() {
        SQLException last = guard.lastError();
        boolean saysSo = SqlState.of(last).filter(SqlState::isConnectionLoss).isPresent();
        return saysSo ? last : new SQLException("the connection was lost in the function", SqlState.CONNECTION_DOES_NOT_EXIST);
    }

    /** The error that the function did not pass on; where it bypassed the guard, the server's 25P02 has it as its cause. */
    private SQLException swallowed() throws SQLException {
        if (guard.failedBy() != null) {
            return guard.failedBy();
        }
        try (Statement probe = lease.connection().createStatement()) {
            probe.execute("SELECT 1");
        } catch (SQLException aborted) {
            return SqlState.carrier(aborted).orElse(aborted);
        }
        return new SQLException("the transaction has failed", SqlState.IN_FAILED_SQL_TRANSACTION);
    }

    private void requireTime() throws SQLException {
        if (journey.deadline().hasPassed()) {
            throw new SQLTimeoutException("no time was left to begin the COMMIT");
        }
    }

    /** Directly before COMMIT, where it fixes no snapshot and names the transaction that is really being committed. */
    private void sealEvidence() throws SQLException {
        if (takesEvidence() && !isEmpty()) {
            phase = Phase.EVIDENCE;
            if (evidence == null) {
                evidence = EvidenceStatement.take(lease.connection(), lease.session());
            }
            requireTimeline();
            requireTime();
        }
    }

    /** Behind a pooler only the evidence tells which server this transaction is on. */
    private void requireTimeline() throws SQLException {
        Incarnation here = evidence.incarnation();
        if (journey.leastTimeline() != null && here != null && here.isOlderThan(journey.leastTimeline())) {
            throw new SQLException("the server is on an older timeline than the one that answered for this call",
                    SqlState.READ_ONLY_SQL_TRANSACTION);
        }
    }

    private boolean takesEvidence() {
        return journey.settings().resolves() && journey.options().access() == Access.READ_WRITE;
    }

    /** Whether no statement was sent, so that there is nothing to commit. */
    private boolean isEmpty() {
        return lease.physical().transactionState() == TransactionState.IDLE && !lease.isLost();
    }

    /** The end of an attempt that has nothing to commit. */
    private AttemptResult<T> over(T value) {
        boolean committed = !transaction.isRollbackOnly();
        release();
        return new AttemptResult.Done<>(value, transaction, committed);
    }

    /** Ends the loan and turns what was thrown, before COMMIT or by the server's refusal of it, into a result. */
    AttemptResult<T> failed(Throwable thrown) {
        if (!byFunction && thrown instanceof InterruptedException) {
            Thread.currentThread().interrupt();
        }
        if (guard != null) {
            guard.kill();
        }
        boolean lost = lease != null && lease.isLost();
        boolean lostBody = lost && (phase == Phase.BODY || phase == Phase.EVIDENCE);
        String sqlState = SqlState.of(thrown).orElse(null);
        Verdict verdict = new Judgement(engine, journey.options(), lease).of(phase, thrown, sqlState, byFunction);
        if (lease != null) {
            end(verdict, lost, sqlState, thrown);
        }
        return new AttemptResult.NotCommitted<>(new Failed(phase, thrown, sqlState, verdict, byFunction, lostBody), transaction);
    }

    private void end(Verdict verdict, boolean lost, String sqlState, Throwable thrown) {
        boolean serverEndedIt = SqlState.isConnectionLoss(sqlState) && engine.drivers().isServerReply(SqlState.carrier(thrown).orElse(null));
        if (lost || verdict.evicts()) {
            evict(verdict == Verdict.STALE_SERVER);
            if (lost && !serverEndedIt) {
                abandonBackend();
            }
        } else {
            release();
        }
    }

    /** Throws the connection away, and says so; the call trusts no other of its pool unseen. */
    void evict(boolean staleServer) {
        journey.lostConnection();
        lease.evict(staleServer);
        engine.evicted(journey, staleServer);
    }

    /** Gives the connection back; if that fails, its transaction may still be open on the server. */
    void release() {
        if (!lease.giveBack(journey.deadline())) {
            engine.evicted(journey, false);
            abandonBackend();
        }
    }

    void abandonBackend() {
        if (lease.session() != null) {
            journey.abandon(lease.session().backend());
        }
    }

    Journey journey() {
        return journey;
    }

    Lease lease() {
        return lease;
    }

    LiveTransaction transaction() {
        return transaction;
    }

    CommitEvidence evidence() {
        return evidence;
    }

    void enter(Phase next) {
        phase = next;
    }
}
