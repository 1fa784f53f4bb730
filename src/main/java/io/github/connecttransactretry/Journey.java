package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.TimeSource;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.Pace;
import io.github.connecttransactretry.pacing.RetryBudget;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.SQLTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** One call from its first attempt to its end: its time, its attempts so far, and whether there is another. For one thread. */
final class Journey {

    /** A purge may take a row away between a refusal and the look for it, but hardly twice. */
    private static final int VAIN_LOOKS = 2;

    private final Settings settings;
    private final TransactionOptions options;
    private final Deadline deadline;
    private final long startedNanos;
    private final List<AttemptFailure> failures = new ArrayList<>();
    private final List<Backend> abandoned = new ArrayList<>();
    private final Map<Pace, Integer> repeats = new EnumMap<>(Pace.class);
    private final Map<Pace, Duration> previousDelay = new EnumMap<>(Pace.class);
    private final Map<Verdict, Integer> doubtful = new EnumMap<>(Verdict.class);
    private int attempt;
    private int bodyLosses;
    private long attemptStartedNanos;
    private boolean lostConnection;
    private String leastTimeline;
    private int keyRefusals;
    private Throwable lastThrown;
    private Long connectBeganNanos;
    private boolean commitSent;
    private boolean endedByFunction;

    Journey(Settings settings, TransactionOptions options) {
        TimeSource time = settings.time();
        this.settings = settings;
        this.options = options;
        this.startedNanos = time.nanoTime();
        this.deadline = Deadline.after(time, options.timeout() != null ? options.timeout()
                : Duration.between(time.now(), options.deadline()));
    }

    Settings settings() {
        return settings;
    }

    TransactionOptions options() {
        return options;
    }

    Deadline deadline() {
        return deadline;
    }

    int attempt() {
        return attempt;
    }

    List<AttemptFailure> failures() {
        return failures;
    }

    void requireTime(String what) throws SQLTimeoutException {
        if (deadline.hasPassed()) {
            throw new SQLTimeoutException("no time was left " + what);
        }
    }

    Duration elapsed() {
        return Duration.ofNanos(settings.time().nanoTime() - startedNanos);
    }

    void tell(TransactionEvent event) {
        settings.events().tell(event);
    }

    /** Backends whose connection was lost with a transaction open, not yet seen ended. */
    List<Backend> abandoned() {
        return abandoned;
    }

    void abandon(Backend backend) {
        if (backend != null && backend.start() != null) {
            abandoned.add(backend);
        }
    }

    /** Whether a connection of this call was lost: then others of the pool may be dead too, and are not taken unseen. */
    boolean hasLostConnection() {
        return lostConnection;
    }

    void lostConnection() {
        lostConnection = true;
    }

    /** The timeline of the server that last answered for this call, or null: no older one may serve it any more. */
    String leastTimeline() {
        return leastTimeline;
    }

    void answeredOn(String timeline) {
        boolean later = timeline != null && (leastTimeline == null || timeline.compareTo(leastTimeline) > 0);
        leastTimeline = later ? timeline : leastTimeline;
    }

    void startAttempt() {
        attempt++;
        attemptStartedNanos = settings.time().nanoTime();
        connectBeganNanos = null;
        tell(new TransactionEvent.AttemptStarted(options.label(), attempt));
    }

    /** It has come past the others who want a connection, and waits for one. */
    void connectBegins() {
        connectBeganNanos = settings.time().nanoTime();
    }

    /** For how long it has waited since; zero if it has not come so far. */
    Duration connecting() {
        return connectBeganNanos == null ? Duration.ZERO : Duration.ofNanos(settings.time().nanoTime() - connectBeganNanos);
    }

    /** From now on its COMMIT may be done, until {@link #commitSettled} says what became of it. */
    void commitSent() {
        commitSent = true;
    }

    void commitSettled() {
        commitSent = false;
    }

    /** Whether a COMMIT was sent of which nobody has said what became of it. */
    boolean isCommitOpen() {
        return commitSent;
    }

    /** The function has ended its transaction itself, so that some of its work may be committed. */
    void endedByFunction() {
        endedByFunction = true;
    }

    boolean isEndedByFunction() {
        return endedByFunction;
    }

    /** Whether another call with this one's idempotency key was seen to have taken effect. */
    boolean isKeyTaken() {
        return keyRefusals > 0;
    }

    /** Whether the key was refused, looked for in vain and refused so often that the row must be there and hidden. */
    boolean isKeyHidden() {
        return keyRefusals >= VAIN_LOOKS;
    }

    /** Goes on at once, whatever the number of attempts: the other call's result only has to be fetched. */
    void keyTaken(Failed failed) {
        keyRefusals++;
        record(failed);
    }

    /** Waits until the next attempt may begin, or throws what the caller gets instead. */
    <X extends Exception> void pauseOrThrow(Failed failed) throws X {
        AttemptFailure failure = record(failed);
        if (failed.thrown() instanceof Error) {
            throw (Error) failed.thrown();
        }
        if (!failed.verdict().retried()) {
            throw this.<X>unmended(failed);
        }
        if (Thread.currentThread().isInterrupted()) {
            throw interrupted(failed.thrown());
        }
        String exhausted = exhausted(failed);
        if (deadline.hasPassed()) {
            throw overdue(failed.thrown());
        }
        if (exhausted != null) {
            throw new RetriesExhaustedException(describe(exhausted), failed.thrown(), failures);
        }
        pause(failure, failed);
    }

    private AttemptFailure record(Failed failed) {
        Duration took = Duration.ofNanos(settings.time().nanoTime() - attemptStartedNanos);
        AttemptFailure failure = new AttemptFailure(attempt, failed.phase(), failed.sqlState(), failed.verdict(),
                failed.message(), took, Duration.ZERO, failed.conflict());
        failures.add(failure);
        if (!(failed.thrown() instanceof CircuitOpenException)) {
            lastThrown = failed.thrown();
        }
        tell(new TransactionEvent.AttemptFailed(options.label(), failure));
        return failure;
    }

    @SuppressWarnings("unchecked")
    private <X extends Exception> X unmended(Failed failed) {
        if (failed.byFunction()) {
            // The function can throw nothing else than X and unchecked ones.
            return (X) failed.thrown();
        }
        if (failed.thrown() instanceof TransactionRefusedException) {
            throw new TransactionRefusedException(failed.thrown().getMessage(), failed.thrown().getCause(), failures);
        }
        if (failed.thrown() instanceof CircuitOpenException) {
            throw new CircuitOpenException(describe(failed.thrown().getMessage()), lastThrown, failures);
        }
        if (failed.thrown() instanceof IdempotencyConflictException) {
            throw new IdempotencyConflictException(failed.thrown().getMessage(), failures);
        }
        String what = failed.phase() == Phase.BODY
                ? "a statement of the function failed, and the function went on as if it had not"
                : failed.phase() + " failed for a reason that another attempt does not mend";
        throw new TransactionFailedException(describe(what), failed.thrown(), failures);
    }

    private String exhausted(Failed failed) {
        RetryPolicy policy = settings.policy();
        int doubts = failed.verdict().doubtful() ? doubtful.merge(failed.verdict(), 1, Integer::sum) : 0;
        bodyLosses += failed.lostBody() ? 1 : 0;
        if (attempt >= policy.maxAttempts()) {
            return "all " + policy.maxAttempts() + " attempts failed";
        }
        if (bodyLosses > policy.maxBodyLosses()) {
            return "the connection was lost inside the function " + bodyLosses + " times: a statement of it may crash its backend";
        }
        if (doubts > policy.maxDoubtful()) {
            return "the same doubtful failure came " + doubts + " times";
        }
        return null;
    }

    private void pause(AttemptFailure failure, Failed failed) {
        Pace pace = failed.verdict().pace();
        int repeat = repeats.merge(pace, 1, Integer::sum);
        CircuitBreaker breaker = settings.breaker();
        // Of an outage alone: for what says nothing of the server the breaker has no pause.
        boolean waitsThere = failed.verdict() == Verdict.OUTAGE && breaker != null && breaker.holdsBack();
        Duration delay = waitsThere ? Duration.ZERO : nextDelay(pace, repeat);
        if (delay.compareTo(deadline.remaining()) >= 0) {
            throw overdue(failed.thrown());
        }
        RetryBudget budget = settings.budget();
        if (budget != null && !budget.tryTake(settings.time())) {
            throw new RetriesExhaustedException(describe("the engine's retry budget is spent (" + budget + ")"), failed.thrown(),
                    failures);
        }
        AttemptFailure delayed = failure.withDelay(delay);
        failures.set(failures.size() - 1, delayed);
        tell(new TransactionEvent.RetryScheduled(options.label(), delayed, settings.policy().maxAttempts()));
        try {
            settings.time().sleep(delay);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw interrupted(failed.thrown());
        }
    }

    private Duration nextDelay(Pace pace, int repeat) {
        Duration delay = settings.policy().curve(pace).delay(repeat, previousDelay.getOrDefault(pace, Duration.ZERO),
                settings.time()::random);
        previousDelay.put(pace, delay);
        return delay;
    }

    DeadlineExceededException overdue(Throwable cause) {
        return new DeadlineExceededException(describe("the call's time was over"), cause, failures);
    }

    private TransactionInterruptedException interrupted(Throwable cause) {
        return new TransactionInterruptedException(describe("the thread was interrupted"), cause, failures);
    }

    /** A sentence on the whole call: what, which call, after how much, and the last thing that was said. */
    String describe(String what) {
        String name = options.label().isEmpty() ? "" : " in " + options.label();
        return what + name + ", after " + attempt + (attempt == 1 ? " attempt" : " attempts") + " in "
                + elapsed().toMillis() + " ms" + lastSaid();
    }

    /** The last attempt may only have run out of time; then the one before it that has a SQLSTATE says more. */
    private String lastSaid() {
        if (failures.isEmpty()) {
            return "";
        }
        AttemptFailure last = failures.get(failures.size() - 1);
        AttemptFailure telling = last;
        for (AttemptFailure failure : failures) {
            telling = last.sqlState() == null && failure.sqlState() != null ? failure : telling;
        }
        return "; last: " + last.describe() + (telling == last ? "" : "; before: " + telling.describe());
    }
}
