package io.github.connecttransactretry.chaos;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.util.function.LongSupplier;
import javax.sql.DataSource;

/** One way to put faults before a database, with what has to be closed. */
final class Bench implements AutoCloseable {

    /** Where the faults are. */
    enum Layout {
        PLAIN, BELOW_POOL, ABOVE_POOL
    }

    private final DataSource top;
    private final FaultyDataSource faulty;
    private final HikariDataSource pool;

    private Bench(DataSource top, FaultyDataSource faulty, HikariDataSource pool) {
        this.top = top;
        this.faulty = faulty;
        this.pool = pool;
    }

    static Bench of(TestDatabase database, Layout layout, String parameters, FaultPlan plan) {
        return of(database, layout, parameters, plan, System::nanoTime);
    }

    static Bench of(TestDatabase database, Layout layout, String parameters, FaultPlan plan, LongSupplier nanoTime) {
        switch (layout) {
            case PLAIN:
                FaultyDataSource plain = FaultyDataSource.wrap(database.plain(parameters), plan, nanoTime);
                return new Bench(plain, plain, null);
            case BELOW_POOL:
                FaultyDataSource below = FaultyDataSource.wrap(database.plain(parameters), plan, nanoTime);
                HikariDataSource above = pool(below);
                return new Bench(above, below, above);
            default:
                HikariDataSource pool = pool(database.plain(parameters));
                FaultyDataSource top = FaultyDataSource.wrap(pool, plan, nanoTime);
                return new Bench(top, top, pool);
        }
    }

    private static HikariDataSource pool(DataSource below) {
        HikariConfig config = new HikariConfig();
        config.setDataSource(below);
        config.setMaximumPoolSize(2);
        config.setMinimumIdle(0);
        config.setInitializationFailTimeout(-1);
        config.setConnectionTimeout(8_000);
        return new HikariDataSource(config);
    }

    /** What programs use. */
    DataSource top() {
        return top;
    }

    FaultyDataSource faulty() {
        return faulty;
    }

    @Override
    public void close() {
        faulty.close();
        if (pool != null) {
            pool.close();
        }
    }
}
