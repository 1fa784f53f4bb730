package io.github.connecttransactretry;

import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.deadletter.DeadLetterBox;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.idempotency.ResultCodec;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import javax.sql.DataSource;

/**
 * Runs functions in PostgreSQL transactions: each call ends in <b>exactly one committed transaction, or in a truthful
 * error</b>, through serialization conflicts, lost connections, crashes and failovers.
 *
 * <pre>{@code
 * ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build();
 * long orderId = executor.run(tx -> insertOrder(tx.connection(), order));
 * }</pre>
 *
 * <p>The engine takes a connection, begins, calls the {@link TransactionalFunction}, commits and gives the connection back.
 * What fails for a passing reason before COMMIT is rolled back and done again, within the call's deadline. When the answer
 * to a COMMIT does not come, the engine finds out on another connection what became of it: a committed call returns its
 * value, one that was not committed goes again, and where neither can be proven the caller gets a
 * {@link CommitOutcomeUnknownException}, never a guess.
 *
 * <p>An exception of the function that no repetition mends reaches the caller unchanged. All that the engine has to say
 * itself is a {@link TransactionRetryException}.
 *
 * <p>An engine is thread-safe; keep one per {@code DataSource}. Close it when done; the {@code DataSource} stays open.
 */
public final class ConnectTransactRetry implements AutoCloseable {

    private final Engine engine;
    private final AttemptLoop loop;
    private final CallCount calls;

    ConnectTransactRetry(Engine engine) {
        this.engine = engine;
        this.loop = new AttemptLoop(engine);
        this.calls = new CallCount(engine.threads());
    }

    /**
     * An engine over a {@code DataSource}, pooled or not.
     *
     * @param dataSource not null
     */
    public static ConnectTransactRetryBuilder builder(DataSource dataSource) {
        Objects.requireNonNull(dataSource, "dataSource is null: give the one that leads to the database");
        return new ConnectTransactRetryBuilder(dataSource, null);
    }

    /**
     * An engine that opens a connection for each attempt and closes it after it.
     *
     * @param connections for example {@code () -> DriverManager.getConnection(url, properties)}, not null
     */
    public static ConnectTransactRetryBuilder builder(ConnectionSource connections) {
        Objects.requireNonNull(connections,
                "connections is null: give a way to open one, such as () -> DriverManager.getConnection(url)");
        return new ConnectTransactRetryBuilder(null, connections);
    }

    /**
     * Runs a function in a transaction with the engine's default options.
     *
     * @param function called once per attempt, not null
     * @param <T>      what it returns
     * @param <X>      what it throws
     * @return the value of the attempt that was committed
     * @throws X                         if the function threw it and another attempt would not mend that; nothing was committed
     * @throws TransactionRetryException if the engine has something to say; see its subclasses
     * @throws IllegalStateException     if the engine is closed
     */
    public <T, X extends Exception> T run(TransactionalFunction<T, X> function) throws X {
        return run(engine.settings().defaults(), function);
    }

    /**
     * Runs a function in a transaction.
     *
     * @param options  what this call asks for, not null
     * @param function called once per attempt, not null
     * @param <T>      what it returns
     * @param <X>      what it throws
     * @return the value of the attempt that was committed
     * @throws X                         if the function threw it and another attempt would not mend that; nothing was committed
     * @throws TransactionRetryException if the engine has something to say; see its subclasses
     * @throws IllegalStateException     if the engine is closed
     */
    public <T, X extends Exception> T run(TransactionOptions options, TransactionalFunction<T, X> function) throws X {
        Objects.requireNonNull(options, "options is null: give TransactionOptions.defaults() for nothing special");
        Objects.requireNonNull(function, "function is null: give what is to be done in the transaction");
        if (engine.isInsideFunction()) {
            throw Refusals.nested();
        }
        if (options.deadLetter() != null && engine.settings().deadLetters() == null) {
            throw Refusals.noDeadLetters();
        }
        calls.begin();
        Journey journey = new Journey(engine.settings(), options);
        try {
            return attempts(journey, function);
        } catch (Throwable thrown) {
            DeadLetterCase.close(journey, thrown);
            throw thrown;
        }
    }

    private <T, X extends Exception> T attempts(Journey journey, TransactionalFunction<T, X> function) throws X {
        TransactionOptions options = journey.options();
        try {
            T value = loop.run(journey, function);
            journey.tell(new TransactionEvent.CallSucceeded(options.label(), journey.attempt(), journey.elapsed()));
            return value;
        } catch (Throwable thrown) {
            journey.tell(new TransactionEvent.CallFailed(options.label(), journey.attempt(), journey.elapsed(), thrown.getClass()));
            throw thrown;
        } finally {
            engine.fencing().afterCall(journey, calls::end);
        }
    }

    /**
     * Runs an action in a transaction with the engine's default options. (A second {@code run} would be ambiguous to the
     * compiler.)
     *
     * @param action called once per attempt, not null
     * @param <X>    what it throws
     * @throws X                         as {@link #run(TransactionalFunction)}
     * @throws TransactionRetryException as {@link #run(TransactionalFunction)}
     */
    public <X extends Exception> void execute(TransactionalAction<X> action) throws X {
        execute(engine.settings().defaults(), action);
    }

    /**
     * Runs an action in a transaction.
     *
     * @param options what this call asks for, not null
     * @param action  called once per attempt, not null
     * @param <X>     what it throws
     * @throws X                         as {@link #run(TransactionOptions, TransactionalFunction)}
     * @throws TransactionRetryException as {@link #run(TransactionOptions, TransactionalFunction)}
     */
    public <X extends Exception> void execute(TransactionOptions options, TransactionalAction<X> action) throws X {
        Objects.requireNonNull(action, "action is null: give what is to be done in the transaction");
        TransactionalFunction<Void, X> function = transaction -> {
            action.apply(transaction);
            return null;
        };
        run(options, function);
    }

    /**
     * Finds out, hours later and in another process if need be, what became of a COMMIT in doubt, within the default options'
     * time limit. See {@link #resolve(TransactionOptions, CommitEvidence)}.
     */
    public CommitOutcome resolve(CommitEvidence evidence) {
        return resolve(engine.settings().defaults(), evidence);
    }

    /**
     * The same within a limit.
     *
     * @param evidence not null
     * @param limit    positive, not null
     * @throws IllegalArgumentException if the limit is not positive
     */
    public CommitOutcome resolve(CommitEvidence evidence, Duration limit) {
        return resolve(engine.settings().defaults().withTimeout(limit), evidence);
    }

    /**
     * Finds out, hours later and in another process if need be, what became of a COMMIT in doubt. Where the evidence has a
     * token, the answer is forced and final: either the transaction is committed, or it never will be. Runs no hooks.
     *
     * @param options  of which the time limit, the label and the verification count, not null
     * @param evidence of {@link CommitOutcomeUnknownException#evidence()}, perhaps printed and
     *                 {@linkplain CommitEvidence#parse parsed} since, not null
     * @return Unknown if it can no longer be known, or not within the limit
     * @throws IllegalStateException if the engine is closed
     */
    public CommitOutcome resolve(TransactionOptions options, CommitEvidence evidence) {
        Objects.requireNonNull(options, "options is null: give TransactionOptions.defaults() for nothing special");
        Objects.requireNonNull(evidence, "evidence is null: give what CommitOutcomeUnknownException.evidence() held");
        calls.begin();
        Journey journey = new Journey(engine.settings(), options);
        try {
            CommitOutcome outcome = engine.inquiry().find(options, 0, evidence, journey.deadline()).outcome();
            if (outcome instanceof CommitOutcome.NotCommitted) {
                // Before the return: a program that asks and ends would leave the backend with its row locks.
                journey.abandon(evidence.backend());
                engine.fencing().beforeAttempt(journey);
            }
            return outcome;
        } finally {
            engine.fencing().afterCall(journey, calls::end);
        }
    }

    /**
     * Does the work of a dead letter, exactly once however often and by however many the letter is taken up, as long as its
     * row in the ledger is kept. With the engine's default options; see
     * {@link #takeUp(TransactionOptions, DeadLetter, TransactionalAction)}.
     */
    public <X extends Exception> boolean takeUp(DeadLetter letter, TransactionalAction<X> action) throws X {
        return takeUp(engine.settings().defaults(), letter, action);
    }

    /**
     * Does the work of a dead letter, exactly once however often and by however many the letter is taken up, as long as its
     * row in the ledger is kept: under the call's idempotency key, or one made from the letter's id. Of a call that stayed
     * unknown it is found out first what became of it. Writes no letter itself. Needs an engine that writes a ledger.
     *
     * @param options of this taking up, its time limit for all that it takes together; the label and the key come from the letter;
     *                not null
     * @param letter  not null
     * @param action  the work, most likely by the letter's payload, not null
     * @param <X>     what it throws
     * @return true if the work took effect by this, false if it had before
     * @throws X                           as {@link #run(TransactionOptions, TransactionalFunction)}; the letter can be taken up again
     * @throws TransactionRefusedException if the call stayed unknown and cannot be proven either way; if the work called
     *                                     {@code rollbackOnly()}; or if no ledger is written
     * @throws TransactionRetryException   as {@link #run(TransactionOptions, TransactionalFunction)}
     * @throws IllegalArgumentException    if the options have a key or a dead letter, or the letter's key keeps a result
     */
    public <X extends Exception> boolean takeUp(TransactionOptions options, DeadLetter letter, TransactionalAction<X> action)
            throws X {
        return new TakingUp(this, options, letter).act(action);
    }

    /**
     * The same for a letter whose key keeps a result.
     *
     * @param codec    the one of the letter's key, not null
     * @param function as {@code action}, not null
     * @param <T>      what it returns
     * @return the result, of this call or of the one that took effect before
     * @throws IllegalArgumentException also if the codec is not the one of the letter's key
     */
    public <T, X extends Exception> T takeUp(TransactionOptions options, DeadLetter letter, ResultCodec<T> codec,
                                             TransactionalFunction<T, X> function) throws X {
        return new TakingUp(this, options, letter).run(codec, function);
    }

    /**
     * Takes up each open letter of a box, one after another, and marks it as done where the box keeps marks, in the transaction
     * that does its work. What one letter's work throws keeps no other from its turn; only a server that cannot be connected to,
     * and an interrupt, end the whole early. May be run by several at once.
     *
     * @param options as {@link #takeUp(TransactionOptions, DeadLetter, TransactionalAction)}
     * @param box     not null
     * @param work    what is done for a letter, not null
     * @return what became of the letters
     * @throws Exception if the box cannot be read
     */
    public TakeUpReport takeUpAll(TransactionOptions options, DeadLetterBox box, DeadLetterWork work) throws Exception {
        return new TakingUpAll(this, options, box, work).run();
    }

    Instant now() {
        return engine.settings().time().now();
    }

    /** Lets no further call begin; those that are under way go on to their end. May be called again. */
    @Override
    public void close() {
        calls.close();
    }
}
