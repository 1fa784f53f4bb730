package io.github.connecttransactretry.outcome;

import java.sql.SQLException;

/**
 * Finds out what became of a COMMIT whose answer never came. Resolvers form a chain: the first that does not answer
 * {@link CommitOutcome.Unknown} decides. An answer is final: what is called not committed must never become committed
 * later. Called by many threads at once.
 */
public interface CommitOutcomeResolver {

    /** A short name for logs and events, not null. */
    String name();

    /**
     * Whether it has to know the transaction's id, which costs each writing call a round trip before its COMMIT. True if not
     * said.
     */
    default boolean needsTransactionId() {
        return true;
    }

    /**
     * Answers, or says that it cannot. It may ask several times and wait in between by {@link OutcomeQuestion#pause}.
     *
     * @param question what is asked, with a fresh connection that is in autocommit and closed by the engine
     * @return not null
     * @throws SQLException         if the connection or the server failed; if that is transient, the engine asks again on a
     *                              new connection until the call's deadline
     * @throws InterruptedException if the thread was interrupted; the engine puts that aside and asks anew
     */
    CommitOutcome resolve(OutcomeQuestion question) throws SQLException, InterruptedException;
}
