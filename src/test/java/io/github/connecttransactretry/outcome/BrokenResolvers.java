package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.SQLException;

/** Resolvers that are broken in one part each, through seams that only tests reach. All are wrong on purpose. */
public final class BrokenResolvers {

    private BrokenResolvers() {
    }

    /** Takes the word of any life of the server for that of ours, as bare {@code pg_xact_status} does. */
    public static CommitOutcomeResolver ignoringTheIncarnation() {
        return new TransactionStatusResolver((here, evidence) -> true, new Seal());
    }

    /** Believes a "committed" that may be neither durable nor replicated yet. */
    public static CommitOutcomeResolver withoutASeal() {
        return new TransactionStatusResolver(Incarnation::continues, new Seal() {
            @Override
            void write(Connection connection) {
                // Nothing is written, so that the acknowledged COMMIT of the question flushes nothing.
            }
        });
    }

    /** Takes a transaction that is still in progress for one that will never commit. */
    public static CommitOutcomeResolver takingInProgressForNotCommitted() {
        return new TransactionStatusResolver() {
            @Override
            CommitOutcome whileInProgress(OutcomeQuestion question, BackendFence.Result backend) {
                return new CommitOutcome.NotCommitted("it is in progress", null);
            }
        };
    }

    /** Turns what cannot be known into a "not committed", so that the call goes again. */
    public static CommitOutcomeResolver retryingOnUnknown() {
        CommitOutcomeResolver sound = new TransactionStatusResolver();
        return new CommitOutcomeResolver() {
            @Override
            public String name() {
                return "retrying-on-unknown";
            }

            @Override
            public CommitOutcome resolve(OutcomeQuestion question) throws SQLException, InterruptedException {
                CommitOutcome outcome = sound.resolve(question);
                return outcome instanceof CommitOutcome.Unknown
                        ? new CommitOutcome.NotCommitted(outcome.reason(), null) : outcome;
            }
        };
    }
}
