package io.github.connecttransactretry.outcome;

import java.util.Objects;

/**
 * All that has to be known of a transaction, before its COMMIT is sent, to ask later what became of it. Holds no secret.
 * {@link #toString()} is one line that can be kept, and {@link #parse} reads it again, in another process too. Immutable.
 *
 * @param database      the database's name, not null
 * @param transactionId {@code pg_current_xact_id()}, with its epoch; null if it was not taken, since a ledger decides
 * @param backend       the server process that holds the transaction, not null
 * @param incarnation   the server's life in which it was taken, or null if that could not be read: then a "committed" of
 *                      the server is never believed
 * @param ledger        the token that the COMMIT message writes, or null if it writes none
 * @param node          the node's id in an EDB PGD cluster ({@code bdr.local_node_id}), or null
 */
public record CommitEvidence(String database, Long transactionId, Backend backend, Incarnation incarnation,
                             LedgerToken ledger, String node) {

    /** Checks for null. */
    public CommitEvidence {
        Objects.requireNonNull(database, "database");
        Objects.requireNonNull(backend, "backend");
    }

    /** This evidence with what the COMMIT message is going to write. */
    public CommitEvidence with(LedgerToken token) {
        return new CommitEvidence(database, transactionId, backend, incarnation, token, node);
    }

    /** One line that a person or a program can keep; {@link #parse} reads it. */
    @Override
    public String toString() {
        return EvidenceLine.print(this);
    }

    /**
     * Reads what {@link #toString()} printed.
     *
     * @param line not null
     * @throws IllegalArgumentException if it is not such a line; the message says what is wrong with it
     */
    public static CommitEvidence parse(String line) {
        return EvidenceLine.parse(line);
    }
}
