package io.github.connecttransactretry.outcome;

/**
 * What the server says of one session and of itself, learnt once per physical connection: a backend never outlives the
 * incarnation that it was started in. Immutable.
 *
 * @param backend          the server process, not null
 * @param pooled           whether a transaction pooler stands between, so that the process changes per transaction: the pid
 *                         that the driver was told is not {@code pg_backend_pid()}
 * @param inRecovery       whether the server is a standby; its incarnation is then null
 * @param database         the database's name, not null
 * @param isolation        the session's default isolation as {@code default_transaction_isolation} spells it, not null
 * @param synchronousCommit the session's {@code synchronous_commit}, not null
 * @param incarnation      the server's life, or null in recovery, or where the server lacks what tells it
 * @param ledger           the ledger that was seen, or null if none was looked for or none is to be seen
 * @param node             the node's id in an EDB PGD cluster ({@code bdr.local_node_id}), or null
 */
public record ServerSession(Backend backend, boolean pooled, boolean inRecovery, String database, String isolation,
                            String synchronousCommit, Incarnation incarnation, LedgerSight ledger, String node) {

    /** Whether the server tells what an outcome by transaction id needs. */
    public boolean offersTransactionIds() {
        return incarnation != null;
    }

    /**
     * What is known of a transaction on this session without asking the server for its id. Behind a transaction pooler that is
     * neither the process nor, with certainty, the server.
     */
    public CommitEvidence evidence() {
        return new CommitEvidence(database, null, pooled ? new Backend(backend.pid(), null) : backend,
                pooled ? null : incarnation, null, pooled ? null : node);
    }
}
