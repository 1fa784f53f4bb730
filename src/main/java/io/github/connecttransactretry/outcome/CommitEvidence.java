package io.github.connecttransactretry.outcome;

import java.util.Objects;

/**
 * All that has to be known of a transaction, before its COMMIT is sent, to ask later what became of it. Holds no secret.
 * Immutable.
 *
 * @param database      the database's name, not null
 * @param transactionId {@code pg_current_xact_id()}, with its epoch
 * @param backend       the server process that holds the transaction, not null
 * @param incarnation   the server's life in which it was taken, or null if that could not be read: then a "committed" of
 *                      the server is never believed
 */
public record CommitEvidence(String database, long transactionId, Backend backend, Incarnation incarnation) {

    /** Checks for null. */
    public CommitEvidence {
        Objects.requireNonNull(database, "database");
        Objects.requireNonNull(backend, "backend");
    }

    /** One line that a person can keep: what to ask, and of which server. */
    @Override
    public String toString() {
        String server = incarnation == null
                ? "server=unread"
                : "system=" + incarnation.systemIdentifier() + " timeline=" + incarnation.timeline()
                        + " reset=" + incarnation.statsReset() + " life=" + incarnation.life();
        return "database=" + database + " xid=" + Long.toUnsignedString(transactionId)
                + " pid=" + backend.pid() + " start=" + backend.start() + " " + server;
    }
}
