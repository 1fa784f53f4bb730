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
 * @param incarnation      the server's life, or null in recovery, or where the pooler makes it another question
 */
public record ServerSession(Backend backend, boolean pooled, boolean inRecovery, String database, String isolation,
                            String synchronousCommit, Incarnation incarnation) {
}
