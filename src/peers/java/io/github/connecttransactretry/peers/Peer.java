package io.github.connecttransactretry.peers;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;

/** A way to run a function in a transaction and to retry it. Safe from any thread. */
@FunctionalInterface
interface Peer extends AutoCloseable {

    /** How often a peer that can be told may run the work. */
    int ATTEMPTS = 10;

    /** How long a call of a peer that can be told may take. */
    Duration BOUND = Duration.ofSeconds(10);

    /** The wait before the first retry of a peer that can be told; doubled each time. */
    Duration FIRST_WAIT = Duration.ofMillis(20);

    /** The longest wait of a peer that can be told. */
    Duration LONGEST_WAIT = Duration.ofSeconds(1);

    /** How much of a wait chance adds or takes away. */
    double JITTER = 0.25;

    /**
     * Runs the work in a transaction of its own, and again as the peer sees fit.
     *
     * @throws OutcomeUnknown if the peer has a word for it
     * @throws Exception which tells the caller that nothing was committed
     */
    <T> T call(Work<T> work) throws Exception;

    @Override
    default void close() {
    }

    /** What is done in the transaction; run once per attempt. */
    @FunctionalInterface
    interface Work<T> {

        T in(Connection connection) throws SQLException;
    }

    /** A peer's word for a COMMIT of which it does not know what became. */
    final class OutcomeUnknown extends SQLException {

        private static final long serialVersionUID = 1;

        OutcomeUnknown(Throwable cause) {
            super("the COMMIT may have happened", cause);
        }
    }
}
