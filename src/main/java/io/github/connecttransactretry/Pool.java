package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.ground.PoolSupport;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import javax.sql.DataSource;

/** Where the attempts' connections come from, and what can be told and done of it. Immutable and thread-safe. */
final class Pool {

    private final ConnectionSource source;
    private final DataSource dataSource;
    private final PoolSupport support;

    private Pool(ConnectionSource source, DataSource dataSource, PoolSupport support) {
        this.source = source;
        this.dataSource = dataSource;
        this.support = support;
    }

    static Pool of(DataSource dataSource, List<PoolSupport> supports) {
        PoolSupport fitting = supports.stream().filter(support -> support.supports(dataSource)).findFirst().orElse(null);
        return new Pool(dataSource::getConnection, dataSource, fitting);
    }

    /** Connections that nobody keeps: each is opened for the attempt and closed after it. */
    static Pool none(ConnectionSource source) {
        return new Pool(source, null, null);
    }

    ConnectionSource source() {
        return source;
    }

    /** Whether waiting for a connection is waiting for the server, and not for other callers. Any {@code DataSource} may be a pool. */
    boolean isEmpty() {
        return dataSource == null || support != null && support.isEmpty(dataSource);
    }

    void evict(Connection connection) {
        if (support != null) {
            support.evict(dataSource, connection);
        }
    }

    void softEvict() {
        if (support != null) {
            support.softEvict(dataSource);
        }
    }

    /** A road to connections that queues behind no attempt, if there is one. */
    Optional<ConnectionSource> beside() {
        if (dataSource == null) {
            return Optional.of(source);
        }
        return support == null ? Optional.empty() : support.besidePool(dataSource);
    }

    /** The longest that taking a connection can block, if that is known. */
    Optional<Duration> longestWait() {
        return support == null ? Optional.empty() : Optional.of(support.longestWait(dataSource));
    }

    Optional<String> spoiled(SQLException thrown) {
        return support == null ? Optional.empty() : support.spoiled(dataSource, thrown);
    }

    Optional<String> openTransactionHazard() {
        return support == null ? Optional.empty() : support.openTransactionHazard(dataSource);
    }
}
