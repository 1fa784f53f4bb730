package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.sql.DriverManager;

/** What a support engineer would write: asks about one line of evidence in a process that knows nothing of the call. */
final class ResolveLaterProgram {

    private ResolveLaterProgram() {
    }

    /** Arguments: the JDBC URL, the user, the outcome mode and the evidence. */
    public static void main(String[] arguments) {
        ConnectionSource connections = () -> DriverManager.getConnection(arguments[0], arguments[1], "");
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(connections)
                .outcome(OutcomeMode.valueOf(arguments[2])).build()) {
            CommitOutcome outcome = executor.resolve(CommitEvidence.parse(arguments[3]));
            System.out.println(outcome.getClass().getSimpleName() + ": " + outcome.reason());
        }
    }
}
