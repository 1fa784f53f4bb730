package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.PhysicalConnection;
import io.github.connecttransactretry.ground.TimeSource;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.ServerProfile;
import io.github.connecttransactretry.outcome.ServerSession;
import io.github.connecttransactretry.outcome.SessionReader;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collections;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What was learnt of each physical connection, for as long as the driver's object lives, and of the server once. A backend
 * never outlives the server's incarnation, so that once per connection is enough. Thread-safe.
 */
final class SessionCatalogue {

    private static final Logger LOG = LoggerFactory.getLogger(SessionCatalogue.class);

    private final CommitSchema schema;
    private final OutcomePlan plan;
    private final TimeSource time;
    /** Driver connections do not define equals, so that weak keys are compared by identity. */
    private final Map<Connection, ServerSession> sessions = Collections.synchronizedMap(new WeakHashMap<>());
    private final AtomicBoolean warnedOfAsynchronousCommit = new AtomicBoolean();
    private volatile ServerProfile profile;

    SessionCatalogue(CommitSchema schema, OutcomePlan plan, TimeSource time) {
        this.schema = schema;
        this.plan = plan;
        this.time = time;
    }

    /**
     * What is known of the connection, asking the server if nothing is, or if it was a standby's when it was asked.
     *
     * @param anew asks in any case, and so finds out whether the connection is alive
     * @throws SQLException                if the server cannot be asked
     * @throws TransactionRefusedException if the server lacks what the resolvers need
     */
    ServerSession of(PhysicalConnection physical, boolean anew) throws SQLException {
        ServerSession known = sessions.get(physical.identity());
        if (known != null && !known.inRecovery() && !anew) {
            return known;
        }
        ServerSession learnt = learn(physical);
        sessions.put(physical.identity(), learnt);
        return learnt;
    }

    void forget(PhysicalConnection physical) {
        sessions.remove(physical.identity());
        profile = null;
    }

    boolean knows(PhysicalConnection physical) {
        return sessions.containsKey(physical.identity());
    }

    private ServerSession learn(PhysicalConnection physical) throws SQLException {
        Connection connection = physical.identity();
        boolean autoCommit = connection.getAutoCommit();
        connection.setAutoCommit(true);
        try {
            ServerProfile known = profile(connection);
            ServerSession learnt = new SessionReader(schema, known).learn(physical, time::nanoTime);
            plan.requireServed(known, learnt, schema.ledger());
            warnOfAsynchronousCommit(learnt);
            return learnt;
        } catch (SQLException | TransactionRefusedException refused) {
            // The tables may have changed since the server was looked at: look again next time.
            profile = null;
            throw refused;
        } finally {
            if (!physical.isClosed()) {
                connection.setAutoCommit(autoCommit);
            }
        }
    }

    /** The reader that fits the server. */
    SessionReader reader(Connection connection) throws SQLException {
        return new SessionReader(schema, profile(connection));
    }

    private ServerProfile profile(Connection connection) throws SQLException {
        ServerProfile current = profile;
        if (current == null) {
            current = ServerProfile.read(connection, schema);
            profile = current;
            warnOfTable(current);
        }
        return current;
    }

    private void warnOfTable(ServerProfile current) {
        if (plan.mode() == OutcomeMode.AUTOMATIC && current.ledger().installed() && !current.ledger().isUsable()) {
            LOG.warn("the ledger {} is there but cannot be used, for want of {}, and is left alone: run CommitSchema.grant, or the"
                    + " GRANTs in schema.sql", schema.ledger(), current.ledger().lacking());
        }
        switch (current.table()) {
            case UNREADABLE:
                LOG.warn("the incarnation table of schema {} is there but may not be read, so that no commit in doubt can be found"
                        + " committed: run CommitSchema.grant, or the GRANTs at the end of schema.sql", schema.name());
                break;
            case NOT_UNLOGGED:
                LOG.warn("the incarnation table of schema {} is not UNLOGGED, so that no crash empties it, and is not used:"
                        + " drop it and run CommitSchema.install", schema.name());
                break;
            default:
        }
    }

    private void warnOfAsynchronousCommit(ServerSession learnt) {
        if (learnt.synchronousCommit().equals("off") && warnedOfAsynchronousCommit.compareAndSet(false, true)) {
            LOG.warn("synchronous_commit is off in this session: PostgreSQL may lose commits that it has acknowledged, and"
                    + " nothing can find that out");
        }
    }
}
