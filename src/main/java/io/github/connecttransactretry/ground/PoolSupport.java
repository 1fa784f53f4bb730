package io.github.connecttransactretry.ground;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import javax.sql.DataSource;

/**
 * What a connection pool can tell and do, as a service found by {@link java.util.ServiceLoader}: the engine itself knows
 * no pool. Implementations are stateless and thread-safe.
 */
public interface PoolSupport {

    /** Whether the {@code DataSource} is, or wraps, a pool of this kind. */
    boolean supports(DataSource pool);

    /** Takes a lent connection out of the pool for good; the caller still closes it. Never throws. */
    void evict(DataSource pool, Connection connection);

    /** Lets every idle connection be replaced, and every lent one when it comes back. Never throws. */
    void softEvict(DataSource pool);

    /** A way to physical connections that does not wait for the pool, or empty if there is none. */
    Optional<ConnectionSource> besidePool(DataSource pool);

    /** The longest that the pool lets a caller wait for a connection, its own check of the connection included. */
    Duration longestWait(DataSource pool);

    /**
     * Whether the pool has no connection at all, neither lent nor idle, so that whoever waits for one waits for the server. False
     * if it cannot tell.
     */
    default boolean isEmpty(DataSource pool) {
        return false;
    }

    /** Why this pool would hand out connections with a transaction open already, settings named; empty if it does not. */
    Optional<String> openTransactionHazard(DataSource pool);

    /**
     * Why this pool will hand out no connection any more, with the mend, if what it threw says so; empty if it does not.
     *
     * @param pool   which {@link #supports} has recognised
     * @param thrown in place of a connection, not null
     */
    default Optional<String> spoiled(DataSource pool, SQLException thrown) {
        return Optional.empty();
    }
}
