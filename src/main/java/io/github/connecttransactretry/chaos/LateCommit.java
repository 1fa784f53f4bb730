package io.github.connecttransactretry.chaos;

import java.sql.Connection;
import java.sql.SQLException;

/** A COMMIT that is still on its way while the client has lost the connection. For one thread. */
final class LateCommit {

    /** Room for a COMMIT that waits for a lock or a synchronous standby. */
    static final int PATIENCE_SECONDS = 30;

    private final FaultyLink link;
    private final Connection lent;
    private final FaultyLink.Doing commit;
    private final FaultJournal.Entry entry;

    LateCommit(FaultyLink link, Connection lent, FaultyLink.Doing commit, FaultJournal.Entry entry) {
        this.link = link;
        this.lent = lent;
        this.commit = commit;
        this.entry = entry;
    }

    /** Whether its connection was lent by a pool, rather than made for the client. */
    boolean isOfPool() {
        return lent != link.driver().connection();
    }

    FaultDone deliver() {
        try {
            // The client's own may be the little that was left of its deadline.
            link.driver().connection().setNetworkTimeout(Runnable::run, PATIENCE_SECONDS * 1000);
            return entry.outcome("delivered late: " + link.outcome(commit));
        } catch (SQLException gone) {
            return entry.outcome("delivered late: in vain, " + gone.getMessage());
        } finally {
            link.end();
            try {
                lent.close();
            } catch (SQLException alreadyGone) {
                // Nothing is left to close.
            }
        }
    }
}
