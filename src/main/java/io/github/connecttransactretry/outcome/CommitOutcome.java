package io.github.connecttransactretry.outcome;

/** What became of a COMMIT. Immutable. */
public sealed interface CommitOutcome {

    /** The reason in one sentence, for a log; never null. */
    String reason();

    /**
     * The transaction is committed, durably, and is replicated as far as the server demands.
     *
     * @param reason   why this is known
     * @param timeline the WAL timeline of the server that answered, or null if the resolver does not know one
     */
    record Committed(String reason, String timeline) implements CommitOutcome {
    }

    /**
     * The transaction is not committed and never will be.
     *
     * @param reason   why this is known
     * @param timeline the WAL timeline of the server that answered, or null if the resolver does not know one
     */
    record NotCommitted(String reason, String timeline) implements CommitOutcome {
    }

    /**
     * It cannot be known by this resolver; the next one is asked.
     *
     * @param reason why not
     */
    record Unknown(String reason) implements CommitOutcome {
    }
}
