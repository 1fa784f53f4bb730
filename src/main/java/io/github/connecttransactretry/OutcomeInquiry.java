package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Failure;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.pacing.Backoff;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.time.Duration;
import java.util.List;

/**
 * Finds out what became of a COMMIT in doubt: asks the resolvers in turn, each until it answers, passes on or the call's
 * deadline comes. Nothing else ends it: an interrupt is put aside and set again at the end. Thread-safe.
 */
final class OutcomeInquiry {

    private final Settings settings;
    private final Drivers drivers;
    private final ResolverRoad road;
    private final SessionCatalogue sessions;
    private final BackendFence fence;

    OutcomeInquiry(Settings settings, Drivers drivers, ResolverRoad road, SessionCatalogue sessions) {
        this.settings = settings;
        this.drivers = drivers;
        this.road = road;
        this.sessions = sessions;
        this.fence = settings.fence();
    }

    /**
     * A result that is in no doubt.
     *
     * @throws CommitOutcomeUnknownException if the doubt stays
     */
    <T> AttemptResult<T> settle(Journey journey, AttemptResult<T> result) {
        if (!(result instanceof AttemptResult.InDoubt)) {
            return result;
        }
        AttemptResult.InDoubt<T> doubt = (AttemptResult.InDoubt<T>) result;
        Answer found = find(journey.options(), journey.attempt(), doubt.evidence(), journey.deadline());
        CommitOutcome outcome = found.outcome();
        if (outcome instanceof CommitOutcome.Committed) {
            journey.answeredOn(((CommitOutcome.Committed) outcome).timeline());
            return new AttemptResult.Done<>(doubt.value(), doubt.transaction(), true);
        }
        if (outcome instanceof CommitOutcome.NotCommitted) {
            journey.answeredOn(((CommitOutcome.NotCommitted) outcome).timeline());
            if (!found.by().equals(settings.plan().status().name())) {
                // Only the server's own record also says that the backend's transaction has ended; it may still sit on row locks.
                journey.abandon(doubt.abandoned());
            }
            String sqlState = SqlState.of(doubt.cause()).orElse(null);
            return new AttemptResult.NotCommitted<>(new Failed(Phase.COMMIT, doubt.cause(), sqlState,
                    verdict(journey, doubt.cause(), sqlState), false, false, false, null), doubt.transaction());
        }
        journey.abandon(doubt.abandoned());
        doubt.transaction().unknown(doubt.evidence());
        throw new CommitOutcomeUnknownException(journey.describe("it is not known whether the transaction was committed ("
                + outcome.reason() + "; evidence: " + doubt.evidence() + ")"), doubt.cause(), journey.failures(),
                doubt.evidence());
    }

    /** How the connection ended says nothing of the work: go again; only an error of the server's own is judged. */
    private Verdict verdict(Journey journey, Throwable cause, String sqlState) {
        SQLException carrier = SqlState.carrier(cause).orElse(null);
        if (SqlState.PROTOCOL_VIOLATION.equals(sqlState)) {
            return Verdict.POOLER_TROUBLE;
        }
        if (SqlState.isConnectionLoss(sqlState) || !drivers.isServerReply(carrier) || carrier instanceof SQLWarning) {
            return Verdict.OUTAGE;
        }
        return Engine.classify(settings.classifier(), new Failure(Phase.COMMIT, cause, sqlState, drivers.routine(carrier), true,
                true, journey.options().isolation() == Isolation.SERIALIZABLE));
    }

    /**
     * An outcome, and who found it.
     *
     * @param by the resolver's name, empty if nobody knew
     */
    record Answer(CommitOutcome outcome, String by) {
    }

    /**
     * What became of a COMMIT.
     *
     * @param attempt 0 if it is asked about later, by its evidence alone
     */
    Answer find(TransactionOptions options, int attempt, CommitEvidence evidence, Deadline deadline) {
        String label = options.label();
        long began = settings.time().nanoTime();
        settings.events().tell(new TransactionEvent.OutcomeAsked(label, attempt, evidence));
        Asking asking = new Asking(options, attempt == 0, evidence, deadline);
        boolean interrupted = Thread.interrupted();
        try {
            asking.askAll();
        } finally {
            if (interrupted || asking.interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        Duration took = Duration.ofNanos(settings.time().nanoTime() - began);
        settings.events().tell(new TransactionEvent.OutcomeResolved(label, asking.outcome, asking.answeredBy, took, evidence));
        return new Answer(asking.outcome, asking.answeredBy);
    }

    /** One doubt being looked into. */
    private final class Asking {

        private final TransactionOptions options;
        private final boolean later;
        private final CommitEvidence evidence;
        private final Deadline deadline;
        private boolean interrupted;
        private CommitOutcome outcome = new Unknown("no resolver is configured");
        private String answeredBy = "";

        Asking(TransactionOptions options, boolean later, CommitEvidence evidence, Deadline deadline) {
            this.options = options;
            this.later = later;
            this.evidence = evidence;
            this.deadline = deadline;
        }

        void askAll() {
            if (evidence == null) {
                return;
            }
            for (CommitOutcomeResolver resolver : settings.plan().chain(evidence, options)) {
                try {
                    String name = resolver.name();
                    outcome = ask(resolver);
                    answeredBy = outcome instanceof Unknown ? "" : name;
                } catch (Throwable broken) {
                    outcome = new Unknown("a resolver failed: " + AttemptFailure.firstLine(broken));
                }
                if (!(outcome instanceof Unknown)) {
                    return;
                }
            }
        }

        private CommitOutcome ask(CommitOutcomeResolver resolver) {
            Throwable last = null;
            for (int round = 1; !deadline.hasPassed(); round++) {
                try {
                    return once(resolver, round);
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (Throwable thrown) {
                    // An interrupt closes the socket of a virtual thread: then the question was cut, not answered.
                    boolean cut = Thread.interrupted();
                    interrupted |= cut;
                    if (!cut && !isTransient(thrown)) {
                        return new Unknown(resolver.name() + " failed: " + AttemptFailure.firstLine(thrown));
                    }
                    // At the deadline it may only be the time that ran out: what a server said before tells more.
                    last = last == null || SqlState.of(thrown).isPresent() ? thrown : last;
                    rest(round);
                }
            }
            return new Unknown("the call's time was over before " + resolver.name() + " had an answer"
                    + (last == null ? "" : "; last: " + AttemptFailure.firstLine(last)));
        }

        private CommitOutcome once(CommitOutcomeResolver resolver, int round) throws SQLException, InterruptedException {
            try (ResolverRoad.Stop stop = road.open(deadline, round)) {
                try {
                    CommitOutcome answer = resolver.resolve(
                            new RoadsideQuestion(options.label(), later, evidence, deadline, stop, settings, drivers, sessions, fence));
                    return answer == null ? new Unknown(resolver.name() + " answered null") : answer;
                } catch (Throwable failed) {
                    stop.throwAway();
                    throw failed;
                }
            }
        }

        private boolean isTransient(Throwable thrown) {
            SQLException carrier = SqlState.carrier(thrown).orElse(null);
            String sqlState = carrier == null ? null : carrier.getSQLState();
            // Without a SQLSTATE it is a time-out of our own or of a pool, if it is an SQLException at all.
            if (sqlState == null) {
                return thrown instanceof SQLException;
            }
            // A question that was cancelled, refused a lock or a resource is put again: nothing is lost by it but time.
            boolean inTheWay = sqlState.equals("25P03") || List.of("53", "55", "57").contains(sqlState.substring(0, 2));
            return inTheWay || Engine.classify(settings.classifier(), new Failure(Phase.OUTCOME, thrown, sqlState,
                    drivers.routine(carrier), true, true, false)).retried();
        }

        private void rest(int round) {
            Backoff curve = settings.policy().outage();
            Duration delay = curve.delay(round, Duration.ZERO, settings.time()::random);
            try {
                settings.time().sleep(delay.compareTo(deadline.remaining()) < 0 ? delay : deadline.remaining());
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
    }
}
