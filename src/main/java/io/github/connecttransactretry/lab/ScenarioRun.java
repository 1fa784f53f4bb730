package io.github.connecttransactretry.lab;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.ConnectTransactRetryBuilder;
import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.net.URLEncoder;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

/**
 * Plays a scenario on a stage: the calls run through an engine on a HikariCP pool, as a role without privileges, while the
 * time line goes on; then nothing is under way any more, and effects and answers are compared. Several scenarios may be played on
 * one stage, one after the other, as long as each leaves it as it was.
 */
public final class ScenarioRun {

    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int BODY_LOSSES = 50;
    private static final AtomicInteger SCHEMAS = new AtomicInteger();

    private final Scenario scenario;
    private final Stage stage;
    private final OutcomeMode mode;
    private final long seed;
    private final Setting setting;

    /** Changes the engine that plays, for instance to break it on purpose. */
    @FunctionalInterface
    public interface Setting {

        /** As it is. */
        Setting NONE = (builder, schema) -> builder;

        /**
         * Sets what it will.
         *
         * @param builder with outcome mode, schema and listener set
         * @param schema  where the library's tables are
         * @return the builder
         */
        ConnectTransactRetryBuilder apply(ConnectTransactRetryBuilder builder, CommitSchema schema);
    }

    /**
     * Prepares to play.
     *
     * @param scenario what
     * @param stage    where; of the scenario's kind, and it stays the caller's
     * @param mode     how COMMITs in doubt are found out
     * @param seed     where all chance comes from; which fault meets which moment is still up to the threads
     * @param setting  changes the engine
     */
    public ScenarioRun(Scenario scenario, Stage stage, OutcomeMode mode, long seed,
            Setting setting) {
        this.scenario = scenario;
        this.stage = stage;
        this.mode = mode;
        this.seed = seed;
        this.setting = setting;
    }

    /**
     * Plays it.
     *
     * @return what came of it
     * @throws SQLException if the stage cannot be prepared or audited
     * @throws IOException  if Toxiproxy refuses a toxic
     * @throws IllegalStateException if a fault could not be done, or a thread does not end
     */
    public ScenarioReport play() throws SQLException, IOException {
        SplittableRandom chance = new SplittableRandom(seed);
        Accounts accounts = Accounts.create(stage, "lab_" + SCHEMAS.incrementAndGet() + "_" + ProcessHandle.current().pid(),
                scenario.work().accounts());
        long before = accounts.money();
        Tally tally = new Tally();
        Map<String, Integer> done;
        Workers workers;
        long begun = System.nanoTime();
        try (Timeline timeline = new Timeline(scenario.faults(), new FaultDoer(stage, Accounts.ROLE, chance.split()))) {
            workers = work(accounts, timeline, tally, chance.split());
            timeline.closing();
            done = timeline.done();
        }
        stage.settle();
        Duration took = Duration.ofNanos(System.nanoTime() - begun);
        if (scenario.stage() == Scenario.StageKind.PGBOUNCER) {
            // It keeps its connections to the server when its clients have gone.
            stage.stopPooler();
            stage.startPooler();
        }
        boolean forced = !awaitOwnEnd();
        AuditReport audit = audited(accounts.audit());
        Tally.Counts counts = tally.counts();
        return new ScenarioReport(scenario, mode, seed, audit, done, counts.retries(), counts.inDoubt(), counts.committed(),
                counts.notCommitted(), accounts.money() - before, forced, workers.shortest(), workers.longest(), took);
    }

    private Workers work(Accounts accounts, Timeline timeline, Tally tally, SplittableRandom chance) throws SQLException, IOException {
        try (HikariDataSource pool = pool(); ConnectTransactRetry engine = engine(pool, accounts, tally)) {
            Workers workers = new Workers(scenario.work(), accounts, engine, timeline, tally);
            timeline.opening();
            // What begins now is to meet every connection.
            pool.getHikariPoolMXBean().softEvictConnections();
            timeline.begin();
            workers.begin(chance);
            workers.join();
            timeline.awaitEnd();
            return workers;
        }
    }

    private ConnectTransactRetry engine(HikariDataSource pool, Accounts accounts, Tally tally) {
        ConnectTransactRetryBuilder builder = ConnectTransactRetry.builder(pool)
                .outcome(mode).schema(accounts.library()).listener(tally)
                // Two guard a server against a statement that crashes its backend; here it is the faults that are so dense.
                .retryPolicy(RetryPolicy.defaults().withMaxBodyLosses(BODY_LOSSES));
        if (scenario.work().asksPastFaults()) {
            builder.resolverDataSource(new ClientSource(stage::quietJdbcUrl, Accounts.ROLE, Accounts.PASSWORD, Duration.ZERO));
        }
        return setting.apply(builder, accounts.library()).build();
    }

    private HikariDataSource pool() {
        HikariConfig config = new HikariConfig();
        config.setDataSource(new ClientSource(this::url, Accounts.ROLE, Accounts.PASSWORD, scenario.work().answerWithin()));
        config.setMaximumPoolSize(scenario.work().threads());
        config.setPoolName("lab");
        config.setConnectionTimeout(3000);
        config.setValidationTimeout(1000);
        // The network may fail from the first connection on; with the level left open that would spoil the pool for good.
        config.setInitializationFailTimeout(-1);
        config.setTransactionIsolation("TRANSACTION_READ_COMMITTED");
        return new HikariDataSource(config);
    }

    private String url() {
        Map<String, String> session = scenario.work().session();
        if (session.isEmpty()) {
            return stage.jdbcUrl();
        }
        String settings = session.entrySet().stream().map(setting -> "-c " + setting.getKey() + "=" + setting.getValue())
                .collect(Collectors.joining(" "));
        return stage.jdbcUrl() + "&options=" + URLEncoder.encode(settings, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /** What Toxiproxy still holds back is delivered by the time that no client's backend is there any more. */
    private boolean awaitOwnEnd() throws SQLException {
        try (Connection direct = stage.direct()) {
            Audit.awaitQuiet(direct, PATIENCE, Accounts.ROLE);
            return true;
        } catch (IllegalStateException stuck) {
            return false;
        }
    }

    private AuditReport audited(Audit audit) throws SQLException {
        try (Connection direct = stage.direct()) {
            Audit.endOthers(direct, Accounts.ROLE);
            Audit.awaitQuiet(direct, PATIENCE, Accounts.ROLE);
            return audit.read(direct);
        }
    }
}
