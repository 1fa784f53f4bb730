package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.ground.ConflictSite;
import io.github.connecttransactretry.ground.StaleVersion;
import io.github.connecttransactretry.ground.TargetTable;
import io.github.connecttransactretry.observe.Conflict;
import java.sql.SQLException;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is to be known of the other side of a failed attempt, without asking the server: what its error names, which table the
 * failed statement began with, and who of this engine is on the backend that it waited for. For one attempt.
 */
final class ConflictSight {

    private static final Logger LOG = LoggerFactory.getLogger(ConflictSight.class);

    private static final Set<String> STATES = Set.of(SqlState.SERIALIZATION_FAILURE, SqlState.DEADLOCK_DETECTED,
            SqlState.LOCK_NOT_AVAILABLE, SqlState.UNIQUE_VIOLATION, "23P01");
    private static final Set<Verdict> VERDICTS = Set.of(Verdict.CONFLICT, Verdict.SUSPECTED_CONFLICT, Verdict.STALE_PLAN);

    private final Drivers drivers;
    private final BackendLabels labels;
    private volatile Sighting last;

    /** Of the last statement that failed. */
    private record Sighting(SQLException error, Conflict conflict) {
    }

    ConflictSight(Drivers drivers, BackendLabels labels) {
        this.drivers = drivers;
        this.labels = labels;
    }

    /** To be remembered when a statement begins. */
    long statementBegins() {
        return labels.last();
    }

    /**
     * Looked at when it fails, not when the attempt does: whoever was waited for goes on at once, and is gone soon.
     *
     * @param sql   the statement's text, null if it is not known
     * @param began what {@link #statementBegins} gave
     */
    void statementFailed(SQLException error, String sql, long began) {
        last = null;
        try {
            last = new Sighting(error, look(error, sql, began));
        } catch (RuntimeException | StackOverflowError broken) {
            // The server's error matters more, also to a function that is deep in its stack.
            LOG.debug("where a statement met another transaction cannot be told", broken);
        }
    }

    /** Null if the failure is no conflict with another transaction. What others say of themselves may fail; a call may not for it. */
    Conflict of(Throwable thrown, Verdict verdict) {
        try {
            return found(thrown, verdict);
        } catch (RuntimeException broken) {
            LOG.warn("a StaleVersion or a driver threw when it was asked about a conflict; the call goes on", broken);
            return null;
        }
    }

    private Conflict found(Throwable thrown, Verdict verdict) {
        StaleVersion stale = Causes.find(thrown, StaleVersion.class).orElse(null);
        if (stale != null) {
            return Conflict.of(stale);
        }
        SQLException carrier = SqlState.carrier(thrown).orElse(null);
        if ((carrier == null || !STATES.contains(carrier.getSQLState())) && !VERDICTS.contains(verdict)) {
            return null;
        }
        Sighting seen = last;
        // The very error: one that was caught before may have had the same SQLSTATE.
        boolean same = seen != null && carrier != null && SqlState.carrier(seen.error()).orElse(null) == carrier;
        return same ? seen.conflict() : look(carrier, null, labels.last());
    }

    private Conflict look(SQLException error, String sql, long began) {
        ConflictSite site = drivers.conflictSite(error);
        String relation = site.relation() != null ? site.relation() : TargetTable.of(sql);
        String blockedBy = site.blockedBy() == null ? null : labels.labelOf(site.blockedBy(), began);
        return new Conflict(relation, site.constraint(), blockedBy, null);
    }
}
