package io.github.connecttransactretry.observe;

import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes events to SLF4J, with key-value pairs: an attempt at DEBUG, a retry and the success after it
 * at INFO, the exception that a call ends with after retries at WARN; what concerns the truth of a commit at WARN, and an
 * outcome that stays unknown at ERROR. Every engine has one. Thread-safe.
 */
public final class Slf4jListener implements TransactionListener {

    private static final Logger LOG = LoggerFactory.getLogger("io.github.connecttransactretry");

    private static final int LONGEST_LABEL = 100;

    /** The listener; it keeps no state. */
    public Slf4jListener() {
    }

    @Override
    public void on(TransactionEvent event) {
        if (event instanceof TransactionEvent.AttemptStarted) {
            LOG.debug("{}", event);
        } else if (event instanceof TransactionEvent.AttemptFailed) {
            failed((TransactionEvent.AttemptFailed) event);
        } else if (event instanceof TransactionEvent.RetryScheduled) {
            retry((TransactionEvent.RetryScheduled) event);
        } else if (event instanceof TransactionEvent.OutcomeResolved) {
            resolved((TransactionEvent.OutcomeResolved) event);
        } else if (event instanceof TransactionEvent.CallSucceeded) {
            succeeded((TransactionEvent.CallSucceeded) event);
        } else if (event instanceof TransactionEvent.CircuitChanged) {
            LOG.atWarn()
                    .addKeyValue("from", ((TransactionEvent.CircuitChanged) event).from())
                    .addKeyValue("to", ((TransactionEvent.CircuitChanged) event).to())
                    .log("circuit breaker changed: {}", event);
        } else if (event instanceof TransactionEvent.CallFailed) {
            gaveUp((TransactionEvent.CallFailed) event);
        } else if (event instanceof TransactionEvent.AcknowledgedNotReplicated) {
            LOG.warn("commit acknowledged without synchronous replication: {}", event);
        } else if (event instanceof TransactionEvent.OutcomeAsked) {
            LOG.warn("commit in doubt, asking what became of it: {}", event);
        } else {
            LOG.debug("{}", event);
        }
    }

    /** Without the message: of what is not retried, it may quote the user's data ("invalid input syntax for type date: ..."). */
    private static void failed(TransactionEvent.AttemptFailed event) {
        AttemptFailure failure = event.failure();
        LOG.atDebug()
                .addKeyValue("label", event.label())
                .addKeyValue("sqlState", failure.sqlState())
                .addKeyValue("phase", failure.phase())
                .addKeyValue("attempt", failure.attempt())
                .log("{} failed in {} with {}, which is {}", name(event), failure.phase(), failure.sqlState(), failure.verdict());
    }

    private static void retry(TransactionEvent.RetryScheduled event) {
        AttemptFailure failure = event.failure();
        String of = event.maxAttempts() == RetryPolicy.UNLIMITED ? "" : " of " + event.maxAttempts();
        LOG.atInfo()
                .addKeyValue("label", event.label())
                .addKeyValue("sqlState", failure.sqlState())
                .addKeyValue("phase", failure.phase())
                .addKeyValue("attempt", failure.attempt() + 1)
                .addKeyValue("delayMillis", failure.delay().toMillis())
                .log("{} failed in {} with {} ({}): attempt {}{}, next in {} ms", name(event), failure.phase(), failure.sqlState(),
                        failure.message(), failure.attempt() + 1, of, failure.delay().toMillis());
    }

    private static void resolved(TransactionEvent.OutcomeResolved event) {
        boolean unknown = event.outcome() instanceof CommitOutcome.Unknown;
        (unknown ? LOG.atError() : LOG.atWarn())
                .addKeyValue("label", event.label())
                .addKeyValue("outcome", event.outcome().getClass().getSimpleName())
                .addKeyValue("resolver", event.resolver())
                .addKeyValue("millis", event.duration().toMillis())
                .log("{}: the commit in doubt is {} ({}), found out in {} ms; {}", name(event),
                        event.outcome().getClass().getSimpleName(), event.outcome().reason(), event.duration().toMillis(),
                        event.evidence());
    }

    private static void succeeded(TransactionEvent.CallSucceeded event) {
        Duration took = event.duration();
        (event.attempts() > 1 ? LOG.atInfo() : LOG.atDebug())
                .addKeyValue("label", event.label())
                .addKeyValue("attempts", event.attempts())
                .log("{} done after {} in {} ms", name(event), times(event.attempts()), took.toMillis());
    }

    /** Without the exception's message, as in {@link #failed}; the caller has it. It may also be that of an unknown outcome. */
    private static void gaveUp(TransactionEvent.CallFailed event) {
        (event.attempts() > 1 ? LOG.atWarn() : LOG.atDebug())
                .addKeyValue("label", event.label())
                .addKeyValue("attempts", event.attempts())
                .addKeyValue("thrown", event.thrown().getName())
                .log("{} ended with {} after {} in {} ms", name(event), event.thrown().getSimpleName(), times(event.attempts()),
                        event.duration().toMillis());
    }

    private static String times(int attempts) {
        return attempts == 1 ? "1 attempt" : attempts + " attempts";
    }

    private static String name(TransactionEvent event) {
        return event.label().isEmpty() ? "transaction" : Conflict.cut(event.label(), LONGEST_LABEL);
    }
}
