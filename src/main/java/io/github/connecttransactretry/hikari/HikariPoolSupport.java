package io.github.connecttransactretry.hikari;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.HikariPoolMXBean;
import com.zaxxer.hikari.util.Credentials;
import com.zaxxer.hikari.util.DriverDataSource;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.ground.PoolSupport;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.stream.Stream;
import javax.sql.DataSource;

/** What HikariCP 7 can tell and do. Stateless and thread-safe. */
public final class HikariPoolSupport implements PoolSupport {

    /** A constant, so that this class cannot be loaded without HikariCP: that is how the engine finds out that it is missing. */
    private static final Class<HikariDataSource> POOL = HikariDataSource.class;

    /** feature_not_supported. */
    private static final String NOT_SUPPORTED = "0A000";

    /** For {@link java.util.ServiceLoader}. */
    public HikariPoolSupport() {
    }

    @Override
    public boolean supports(DataSource pool) {
        return hikari(pool).isPresent();
    }

    @Override
    public void evict(DataSource pool, Connection connection) {
        hikari(pool).ifPresent(hikari -> hikari.evictConnection(connection));
    }

    @Override
    public void softEvict(DataSource pool) {
        hikari(pool).map(HikariDataSource::getHikariPoolMXBean).ifPresent(bean -> bean.softEvictConnections());
    }

    /**
     * {@inheritDoc} With a JDBC URL this is Hikari's own {@link DriverDataSource}, which exists once the pool has started;
     * with {@code setDataSource} it is that object. A pool made from {@code dataSourceClassName} has no public way. Who logs in
     * is asked each time, as Hikari does: passwords rotate.
     */
    @Override
    public Optional<ConnectionSource> besidePool(DataSource pool) {
        HikariDataSource hikari = hikari(pool).orElseThrow();
        DataSource given = hikari.getDataSource();
        if (given != null) {
            return Optional.of(() -> open(given, credentials(hikari)));
        }
        return hikari.getJdbcUrl() == null || hikari.getDataSourceClassName() != null
                ? Optional.empty()
                : Optional.of(() -> open(hikari.unwrap(DriverDataSource.class), credentials(hikari)));
    }

    private static Credentials credentials(HikariDataSource hikari) {
        return hikari.getCredentialsProvider() != null
                ? hikari.getCredentialsProvider().getCredentials()
                : hikari.getCredentials();
    }

    private static Connection open(DataSource source, Credentials who) throws SQLException {
        return who.getUsername() == null ? source.getConnection() : source.getConnection(who.getUsername(), who.getPassword());
    }

    @Override
    public Duration longestWait(DataSource pool) {
        HikariDataSource hikari = hikari(pool).orElseThrow();
        // A borrowed connection that is found dead costs one validation beyond the borrow's own limit (HikariPool.getConnection).
        return Duration.ofMillis(hikari.getConnectionTimeout()).plusMillis(hikari.getValidationTimeout());
    }

    @Override
    public boolean isEmpty(DataSource pool) {
        HikariPoolMXBean started = hikari(pool).orElseThrow().getHikariPoolMXBean();
        return started == null || started.getTotalConnections() == 0;
    }

    @Override
    public Optional<String> openTransactionHazard(DataSource pool) {
        HikariDataSource hikari = hikari(pool).orElseThrow();
        boolean asks = hikari.getConnectionTestQuery() != null || hikari.getConnectionInitSql() != null;
        if (hikari.isAutoCommit() || hikari.isIsolateInternalQueries() || !asks) {
            return Optional.empty();
        }
        return Optional.of("HikariCP with autoCommit=false and a connectionTestQuery or connectionInitSql hands out connections "
                + "whose transaction is open already; set autoCommit=true, or drop connectionTestQuery and connectionInitSql, "
                + "or set isolateInternalQueries=true");
    }

    /**
     * {@inheritDoc} Hikari asks the first connection of its life for the default isolation level, once. If that connection is lost
     * in this very moment it goes by -1 ever after, which pgjdbc refuses (com.zaxxer.hikari.pool.PoolBase.checkDefaultIsolation).
     */
    @Override
    public Optional<String> spoiled(DataSource pool, SQLException thrown) {
        if (hikari(pool).orElseThrow().getTransactionIsolation() != null || !isIsolationRefused(thrown)) {
            return Optional.empty();
        }
        return Optional.of("HikariCP lost the first connection of the pool while it asked it for the default isolation level, does"
                + " not ask again, and hands out no connection any more: build the pool anew; to be safe from it set"
                + " transactionIsolation on the pool, or leave initializationFailTimeout positive");
    }

    private static boolean isIsolationRefused(Throwable thrown) {
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            boolean refused = cause instanceof SQLException && NOT_SUPPORTED.equals(((SQLException) cause).getSQLState());
            if (refused && Stream.of(cause.getStackTrace()).anyMatch(frame -> frame.getMethodName().equals("setTransactionIsolation"))) {
                return true;
            }
        }
        return false;
    }

    private static Optional<HikariDataSource> hikari(DataSource pool) {
        try {
            if (pool instanceof HikariDataSource) {
                return Optional.of((HikariDataSource) pool);
            }
            return pool.isWrapperFor(POOL) ? Optional.of(pool.unwrap(POOL)) : Optional.empty();
        } catch (SQLException | RuntimeException noWrapper) {
            return Optional.empty();
        }
    }
}
