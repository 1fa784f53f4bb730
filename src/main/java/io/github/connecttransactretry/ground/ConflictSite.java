package io.github.connecttransactretry.ground;

/**
 * Where a statement met another transaction, as far as the server's error says. Names only, never values. Immutable.
 *
 * @param relation   the table or index, unquoted, with its schema if that was said and is not {@code public}; or null
 * @param constraint the constraint that was violated, unquoted, or null
 * @param blockedBy  the process id of the backend that held what was wanted, of a deadlock only, or null
 */
public record ConflictSite(String relation, String constraint, Integer blockedBy) {

    /** Nothing is known. */
    public static final ConflictSite UNKNOWN = new ConflictSite(null, null, null);
}
