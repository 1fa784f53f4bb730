package io.github.connecttransactretry.chaos;

import io.github.connecttransactretry.CommitOutcomeUnknownException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A trial of a transactional function and of what retries it: the function is called many times, from several threads, while a
 * {@link FaultyDataSource} makes faults, and the {@link Audit} then says whether each call took effect exactly once. Immutable:
 * each method returns a trial of its own.
 */
public final class ExactlyOnce {

    private static final Logger LOG = LoggerFactory.getLogger(ExactlyOnce.class);

    private final DataSource owner;
    private final FaultyDataSource faulty;
    private final Settings settings;

    private record Settings(int calls, int threads, Duration within, String ownEffects, Predicate<Throwable> unknown) {
    }

    private ExactlyOnce(DataSource owner, FaultyDataSource faulty, Settings settings) {
        this.owner = owner;
        this.faulty = faulty;
        this.settings = settings;
    }

    /**
     * A trial of 100 calls from four threads, which may take two minutes.
     *
     * @param faulty what the calls' transactions go through, at the top, below their pool or inside their engine
     * @param owner  a way to the same database past all faults, as a role that may create a table; one is made, granted to
     *               everybody for INSERT, and dropped in the end
     * @return the trial
     */
    public static ExactlyOnce under(FaultyDataSource faulty, DataSource owner) {
        return new ExactlyOnce(Objects.requireNonNull(owner, "owner"), Objects.requireNonNull(faulty, "faulty"),
                new Settings(100, 4, Duration.ofMinutes(2), null, CommitOutcomeUnknownException.class::isInstance));
    }

    /** One call of the trial. Thread-safe. */
    public static final class Call {

        private final String id;
        private final Audit audit;
        private final AtomicInteger attempts = new AtomicInteger();

        private Call(String id, Audit audit) {
            this.id = id;
            this.audit = audit;
        }

        /**
         * Its name, the same in all its attempts: for the rows that the function writes.
         *
         * @return such as {@code call-1f0c9a3b-17}; of this trial alone
         */
        public String id() {
            return id;
        }

        /**
         * Leaves a row of this attempt in the trial's own table. To be called once in each attempt, in its transaction.
         *
         * @param connection the attempt's
         * @return the attempt's number, which the function has to return
         * @throws SQLException as any other statement of the function
         */
        public int attempt(Connection connection) throws SQLException {
            int attempt = attempts.incrementAndGet();
            audit.append(connection, id, attempt);
            return attempt;
        }
    }

    /** What is tried: runs the function in a transaction, and again as often as it sees fit. */
    @FunctionalInterface
    public interface Trial {

        /**
         * Makes one call. Called from several threads at once.
         *
         * @param call of which each attempt calls {@link Call#attempt}
         * @return what {@link Call#attempt} returned in the attempt whose result is returned
         * @throws Exception if nothing was committed, or the outcome is unknown: see {@link ExactlyOnce#unknownIf}
         */
        int run(Call call) throws Exception;
    }

    /**
     * The trial with another number of calls.
     *
     * @param calls 1 or more
     * @return a trial of its own
     * @throws IllegalArgumentException if it is less than 1
     */
    public ExactlyOnce calls(int calls) {
        requirePositive(calls, "calls");
        return with(new Settings(calls, settings.threads, settings.within, settings.ownEffects, settings.unknown));
    }

    /**
     * The trial with another number of threads; with one, and no pool, a seeded plan repeats itself.
     *
     * @param threads 1 or more
     * @return a trial of its own
     * @throws IllegalArgumentException if it is less than 1
     */
    public ExactlyOnce threads(int threads) {
        requirePositive(threads, "threads");
        return with(new Settings(settings.calls, threads, settings.within, settings.ownEffects, settings.unknown));
    }

    /**
     * The trial with another bound: for all calls together, and then again for the last transactions on the server to end.
     *
     * @param atMost more than zero
     * @return a trial of its own
     * @throws IllegalArgumentException if it is not more than zero
     */
    public ExactlyOnce within(Duration atMost) {
        if (Objects.requireNonNull(atMost, "atMost").isNegative() || atMost.isZero()) {
            throw new IllegalArgumentException("a trial cannot last " + atMost + ": say more than zero");
        }
        return with(new Settings(settings.calls, settings.threads, atMost, settings.ownEffects, settings.unknown));
    }

    /**
     * The trial in which the function's own effects are counted too: one for each committed attempt. Without, only the trial's own
     * row is counted, and a function that does its work twice in one attempt, or not at all, is not found out.
     *
     * @param query its first column names the call ({@link Call#id()}), a row for each effect, for example
     *              {@code SELECT reference FROM orders}; names of other trials are passed over
     * @return a trial of its own
     */
    public ExactlyOnce effects(String query) {
        Objects.requireNonNull(query, "query");
        return with(new Settings(settings.calls, settings.threads, settings.within, query, settings.unknown));
    }

    /**
     * The trial of something that says by an exception of its own that the outcome is unknown. If nothing is said that is
     * {@link CommitOutcomeUnknownException}, and every other exception means that nothing was committed.
     *
     * @param unknown which exceptions mean it
     * @return a trial of its own
     */
    public ExactlyOnce unknownIf(Predicate<Throwable> unknown) {
        Objects.requireNonNull(unknown, "unknown");
        return with(new Settings(settings.calls, settings.threads, settings.within, settings.ownEffects, unknown));
    }

    private ExactlyOnce with(Settings other) {
        return new ExactlyOnce(owner, faulty, other);
    }

    private static void requirePositive(int count, String what) {
        if (count < 1) {
            throw new IllegalArgumentException("a trial cannot have " + count + " " + what + ": say 1 or more");
        }
    }

    /**
     * Makes the calls, and requires of them that each took effect exactly once, and of the plan that faults were made
     * since the last check on the same {@link FaultyDataSource}, and none of a script was missed.
     *
     * @param trial makes one call
     * @return what was found
     * @throws AssertionError naming the offenders, the plan with its seed, and the faults
     * @throws SQLException   as {@link #run}
     */
    public AuditReport check(Trial trial) throws SQLException {
        AuditReport report = run(trial);
        if (!faulty.hasMadeFaultsSince() || !faulty.notReached().isEmpty()) {
            throw new AssertionError("not all faults were made, so nothing is shown: more calls, or another plan? " + faulty);
        }
        try {
            return report.requireExactlyOnce();
        } catch (AssertionError offended) {
            throw new AssertionError(offended.getMessage() + System.lineSeparator() + "under " + faulty + System.lineSeparator()
                    + listed(faulty.done()), offended);
        }
    }

    private static String listed(List<FaultDone> done) {
        String first = String.join(System.lineSeparator(),
                done.stream().limit(AuditReport.LISTED).map(FaultDone::toString).toList());
        return done.size() <= AuditReport.LISTED ? first
                : first + System.lineSeparator() + "and " + (done.size() - AuditReport.LISTED) + " more";
    }

    /**
     * Makes the calls, delivers what is held back, waits until no transaction can change the outcome any more, and compares.
     *
     * @param trial makes one call
     * @return what was found
     * @throws IllegalStateException if the calls or the server's last transactions did not end in time, or no call returned; the
     *                               cause is then the first call's exception
     * @throws SQLException          if the owner's connection fails
     */
    public AuditReport run(Trial trial) throws SQLException {
        Objects.requireNonNull(trial, "trial");
        try (Connection connection = owner.getConnection(); TrialTable table = TrialTable.create(connection)) {
            Throwable first = callAll(table, trial);
            faulty.deliverLate();
            table.awaitQuiet(settings.within);
            AuditReport report = settings.ownEffects == null ? table.audit().read(connection) : table.compare(settings.ownEffects);
            LOG.info("{} under {}; first exception: {}", report, faulty, first == null ? "none" : first);
            if (report.acknowledged() == 0 && report.unknown().isEmpty()) {
                throw new IllegalStateException("none of " + settings.calls + " calls returned; the first threw: " + first, first);
            }
            return report;
        }
    }

    private Throwable callAll(TrialTable table, Trial trial) {
        AtomicReference<Throwable> first = new AtomicReference<>();
        AtomicInteger running = new AtomicInteger(settings.calls);
        ExecutorService threads = Executors.newFixedThreadPool(settings.threads, work -> {
            Thread thread = new Thread(work, "exactly-once");
            thread.setDaemon(true);
            return thread;
        });
        try {
            IntStream.rangeClosed(1, settings.calls).forEach(number -> threads.execute(() -> {
                Throwable thrown = call(new Call(table.call(number), table.audit()), trial);
                first.compareAndSet(null, thrown);
                running.decrementAndGet();
            }));
            threads.shutdown();
            if (!threads.awaitTermination(settings.within.toNanos(), TimeUnit.NANOSECONDS)) {
                throw new IllegalStateException(running + " of " + settings.calls + " calls have not ended after " + settings.within
                        + ": set timeouts in what is tried, or allow more by within(...)");
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the calls ran", interrupted);
        } finally {
            threads.shutdownNow();
        }
        return first.get();
    }

    private Throwable call(Call call, Trial trial) {
        try {
            call.audit.acknowledged(call.id, trial.run(call));
            return null;
        } catch (Throwable thrown) {
            if (settings.unknown.test(thrown)) {
                call.audit.unknown(call.id, thrown.toString());
            } else {
                call.audit.threw(call.id, thrown);
            }
            return thrown;
        }
    }
}
