package io.github.connecttransactretry.outcome;

/**
 * One server process. A process id alone is handed out again; together with its start it names one process for ever.
 * Immutable.
 *
 * @param pid   the process id as the server itself says ({@code pg_backend_pid()}), positive
 * @param start {@code pg_stat_activity.backend_start} as UTC text with microseconds, or null where a transaction pooler
 *              stands between, so that the process changes from transaction to transaction
 */
public record Backend(int pid, String start) {
}
