package io.github.connecttransactretry.classify;

import io.github.connecttransactretry.pacing.Pace;

/** What a failure means: whether the call goes again, on which connection, and how soon. */
public enum Verdict {

    /** Another transaction was faster (40001, 40P01): go again; the connection is well. */
    CONFLICT(true, false, Pace.CONFLICT),

    /** A constraint violation that may be the face of a conflict (manual, 13.5): go again, but only a few times. */
    SUSPECTED_CONFLICT(true, false, Pace.CONFLICT),

    /** A prepared plan no longer fits its table (0A000 of RevalidateCachedQuery): go again without that plan. */
    STALE_PLAN(true, true, Pace.CONFLICT),

    /** The connection or the server went away: go again on a new connection when it is back. */
    OUTAGE(true, true, Pace.OUTAGE),

    /** 08P01, which is how PgBouncer says all its troubles: as an outage, but only a few times. */
    POOLER_TROUBLE(true, true, Pace.OUTAGE),

    /** The server is a standby or was demoted: this connection and its idle neighbours are stale. */
    STALE_SERVER(true, true, Pace.OUTAGE),

    /** The server refuses for want of connections (53300): go again, much later. */
    OVERLOAD(true, true, Pace.OVERLOAD),

    /** The pool had no connection free in time: go again; nothing is broken. */
    SATURATION(true, false, Pace.OUTAGE),

    /** Something that another attempt does not mend: report it. */
    PERMANENT(false, false, Pace.CONFLICT);

    private final boolean retried;
    private final boolean evicts;
    private final Pace pace;

    Verdict(boolean retried, boolean evicts, Pace pace) {
        this.retried = retried;
        this.evicts = evicts;
        this.pace = pace;
    }

    /** Whether the call goes again. */
    public boolean retried() {
        return retried;
    }

    /** Whether the connection must not go back to its pool. */
    public boolean evicts() {
        return evicts;
    }

    /** Whether the failure may as well be a mistake, so that it is repeated a few times only. */
    public boolean doubtful() {
        return this == POOLER_TROUBLE || this == SUSPECTED_CONFLICT;
    }

    /** Which curve the next attempt follows; of no meaning when not {@link #retried()}. */
    public Pace pace() {
        return pace;
    }
}
