package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Objects;

/**
 * Asks the user's own {@link CommitVerification}, once the abandoned backend is seen ended: what is not found before that may
 * still come. What is found is sealed before it counts. As good as the user's function, and no better. Thread-safe if that
 * is.
 */
public final class VerificationResolver implements CommitOutcomeResolver {

    private final CommitVerification verification;
    private final Seal seal = new Seal();

    /** The resolver for a way to look, not null. */
    public VerificationResolver(CommitVerification verification) {
        this.verification = Objects.requireNonNull(verification, "verification is null: give one");
    }

    @Override
    public String name() {
        return "verification";
    }

    @Override
    public boolean needsTransactionId() {
        return false;
    }

    @Override
    public CommitOutcome resolve(OutcomeQuestion question) throws SQLException, InterruptedException {
        ServerSession session = PrimaryCheck.require(question);
        String strangeness = PrimaryCheck.strangeness(session, question.evidence());
        if (strangeness != null) {
            return new Unknown(strangeness);
        }
        boolean ended = awaitEnd(question);
        String timeline = session.incarnation() == null ? null : session.incarnation().timeline();
        CommitVerification.Finding finding = verification.verify(kept(question.connection()));
        if (finding == CommitVerification.Finding.COMMITTED) {
            return sealed(question, timeline);
        }
        if (finding == CommitVerification.Finding.NOT_COMMITTED) {
            return ended ? new NotCommitted("the verification found that it was not committed", timeline)
                    : new Unknown("the verification found nothing, but the backend could not be seen ended: its COMMIT may still"
                            + " come");
        }
        return new Unknown("the verification could not tell");
    }

    /** Its close() does nothing, as that of the connection which the function is given: the answer has yet to be sealed. */
    private static Connection kept(Connection connection) {
        return (Connection) Proxy.newProxyInstance(Connection.class.getClassLoader(), new Class<?>[] {Connection.class},
                (proxy, method, arguments) -> {
                    if (method.getName().equals("close")) {
                        return null;
                    }
                    try {
                        return method.invoke(connection, arguments);
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getCause();
                    }
                });
    }

    /** False if the backend cannot be seen, so that nobody knows when it has ended. */
    private static boolean awaitEnd(OutcomeQuestion question) throws SQLException, InterruptedException {
        for (int round = 1;; round++) {
            BackendFence.Result backend = question.fence();
            if (backend == BackendFence.Result.GONE || backend == BackendFence.Result.IDLE) {
                return true;
            }
            if (backend == BackendFence.Result.HIDDEN) {
                return false;
            }
            question.pause(round);
        }
    }

    private CommitOutcome sealed(OutcomeQuestion question, String timeline) throws SQLException {
        Connection connection = question.connection();
        connection.setAutoCommit(false);
        seal.write(connection);
        boolean acknowledged = question.commitAcknowledged();
        connection.setAutoCommit(true);
        return acknowledged ? new Committed("the verification found it committed", timeline)
                : new Unknown("the verification found it committed, but the wait for synchronous replication was cancelled");
    }
}
