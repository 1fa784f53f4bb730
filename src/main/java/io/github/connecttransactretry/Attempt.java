package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.ground.TransactionState;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.CommitEvidence;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;

/**
 * One attempt, from taking a connection to the end of COMMIT. Throws nothing: how it ended is its result.
 *
 * @param <T> the function's value
 * @param <X> what the function may throw
 */
final class Attempt<T, X extends Exception> {

    private static final double LOOK_SHARE = 0.5;

    private final Journey journey;
    private final Circuit circuit;
    private final TransactionalFunction<T, X> function;
    private final Engine engine;
    private Phase phase = Phase.CONNECT;
    private Lease lease;
    private ConnectionGuard guard;
    private LiveTransaction transaction;
    private LedgerRow row;
    private AttemptEvidence evidence;
    private AfterFunction after;
    private final ConflictSight sight;
    private BackendLabels.Stay stay;
    private boolean byFunction;

    Attempt(Journey journey, TransactionalFunction<T, X> function, Engine engine) {
        this.journey = journey;
        this.circuit = new Circuit(journey, engine);
        this.function = function;
        this.engine = engine;
        this.sight = new ConflictSight(engine.drivers(), engine.labels());
    }

    AttemptResult<T> run() {
        try {
            return attempt();
        } finally {
            if (stay != null) {
                engine.labels().leave(stay);
            }
        }
    }

    private AttemptResult<T> attempt() {
        T value;
        try {
            connect();
            Optional<StoredResult.Found<T>> stored = storedResult();
            if (stored.isPresent()) {
                return repeated(stored.get());
            }
            begin();
            value = body();
            if (!transaction.isRollbackOnly()) {
                sealEvidence(value);
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
        circuit.enter();
        lease = engine.connector().take(journey);
        circuit.connected(lease.isAsked());
        journey.requireTime("to begin the transaction");
        if (!lease.session().pooled()) {
            stay = engine.labels().enter(lease.physical().backendPid(), journey.options().label());
        }
    }

    /** Looked up outside the transaction, where it fixes no snapshot; a claim finds out by itself, unless refused before. */
    private Optional<StoredResult.Found<T>> storedResult() throws SQLException {
        phase = Phase.BEGIN;
        IdempotencyKey key = journey.options().idempotencyKey();
        row = new LedgerRow(journey.settings(), journey.options(), lease);
        if (key == null) {
            return Optional.empty();
        }
        if (!row.isWritten()) {
            // It may have been enabled since the connection was learnt.
            engine.connector().forget(lease);
            throw Refusals.keyWithoutLedger(key);
        }
        if (key.claimed() && !journey.isKeyTaken()) {
            return Optional.empty();
        }
        // A connection that falls silent may not eat the whole deadline: nothing is lost by asking on another one.
        lease.arm(journey.deadline().share(LOOK_SHARE));
        Optional<StoredResult.Found<T>> found = new StoredResult(journey.settings().writer(), journey.options(), lease).find();
        lease.arm(journey.deadline());
        return found;
    }

    private AttemptResult<T> repeated(StoredResult.Found<T> stored) {
        release();
        journey.tell(new TransactionEvent.StoredResultReturned(journey.options().label()));
        return new AttemptResult.Done<>(stored.value(), null, true);
    }

    private void begin() throws SQLException {
        TransactionOptions options = journey.options();
        Connection connection = lease.connection();
        connection.setReadOnly(options.access() == Access.READ_ONLY);
        connection.setAutoCommit(false);
        if (options.access() == Access.READ_ONLY && !lease.physical().enforcesReadOnly()) {
            throw Refusals.readOnlyIgnored();
        }
        evidence = new AttemptEvidence(journey, lease, row);
        evidence.begin(connection);
        guard = new ConnectionGuard(lease, options.access() == Access.READ_ONLY, sight);
        transaction = new LiveTransaction(guard.connection(), journey.attempt(), journey.deadline());
        after = new AfterFunction(journey, lease, guard);
    }

    private T body() throws X, SQLException, InterruptedException {
        journey.requireTime("to call the function");
        phase = Phase.BODY;
        byFunction = true;
        T value = engine.insideFunction(function, transaction);
        byFunction = false;
        guard.kill();
        if (guard.isBusy()) {
            throw Refusals.stillRunning();
        }
        if (after.hasEnded()) {
            throw Refusals.endedBySql(null);
        }
        if (!transaction.isRollbackOnly()) {
            after.requireCommittable();
        }
        return value;
    }

    private Throwable orEnded(Throwable thrown) {
        if (!after.hasEnded() || thrown instanceof Error) {
            return thrown;
        }
        byFunction = false;
        return Refusals.endedBySql(thrown);
    }

    private void sealEvidence(T value) throws SQLException {
        if (!isEmpty()) {
            phase = Phase.EVIDENCE;
            row.keep(value);
            evidence.seal();
            journey.requireTime("to begin the COMMIT");
        }
    }

    /** Whether there is nothing to commit: no statement was sent, and no key is to be kept. */
    private boolean isEmpty() {
        return lease.physical().transactionState() == TransactionState.IDLE && !lease.isLost() && row.key() == null;
    }

    /** The end of an attempt that has nothing to commit. */
    private AttemptResult<T> over(T value) {
        boolean committed = !transaction.isRollbackOnly();
        release();
        return new AttemptResult.Done<>(value, transaction, committed);
    }

    /** Ends the loan and turns what was thrown, before COMMIT or by the server's refusal of it, into a result. */
    AttemptResult<T> failed(Throwable raised) {
        if (!byFunction && raised instanceof InterruptedException) {
            Thread.currentThread().interrupt();
        }
        if (guard != null) {
            guard.kill();
        }
        boolean ledger = row != null && (phase == Phase.BEGIN || phase == Phase.COMMIT);
        boolean lost = lease != null && lease.isLost();
        boolean lostBody = lost && (phase == Phase.BODY || phase == Phase.EVIDENCE);
        boolean keyTaken = ledger && row.key() != null && row.isRefusedBy(raised);
        Throwable thrown = ledger ? explained(raised) : raised;
        String sqlState = SqlState.of(thrown).orElse(null);
        boolean rowInTheWay = ledger && thrown == raised && (row.isRefusedBy(raised) || row.isKeyAwaited(raised));
        Verdict verdict = rowInTheWay ? Verdict.CONFLICT
                : new Judgement(engine, journey.options(), lease).of(phase, thrown, sqlState, byFunction);
        if (lease != null) {
            end(verdict, lost, sqlState, thrown);
        } else {
            circuit.failed(verdict, thrown);
        }
        return new AttemptResult.NotCommitted<>(new Failed(phase, thrown, sqlState, verdict, byFunction, lostBody,
                keyTaken && thrown == raised, sight.of(raised, verdict)), transaction);
    }

    /** The engine's own sentence for what the ledger refused; the same otherwise. */
    private Throwable explained(Throwable raised) {
        String ledger = journey.settings().schema().ledger();
        if (row.key() != null && journey.isKeyHidden() && row.isRefusedBy(raised)) {
            return Refusals.keyHidden(row.key(), ledger, (SQLException) raised);
        }
        if (!row.isDeniedBy(raised)) {
            return raised;
        }
        if (row.isGone(raised)) {
            engine.connector().forget(lease);
        }
        return Refusals.rowRefused(ledger, (SQLException) raised, journey.failures());
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

    void acknowledged() {
        circuit.served();
    }

    /** Throws the connection away, and says so; the call trusts no other of its pool unseen. */
    void evict(boolean staleServer) {
        journey.lostConnection();
        lease.evict(staleServer);
        engine.evicted(journey, staleServer);
    }

    /** Gives the connection back; if that fails, its transaction may still be open on the server. */
    void release() {
        if (!lease.giveBack(journey.deadline(), guard != null && guard.isBusy())) {
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

    LedgerRow row() {
        return row;
    }

    CommitEvidence evidence() {
        return evidence.taken();
    }

    void enter(Phase next) {
        phase = next;
    }
}
