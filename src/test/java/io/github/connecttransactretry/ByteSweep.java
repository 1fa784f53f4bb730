package io.github.connecttransactretry;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.chaos.OtherBackends;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.fixtures.ByteRelay;
import io.github.connecttransactretry.fixtures.ByteRelay.Cut;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.pacing.Backoff;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * Cuts one and the same transaction after every byte of its conversation, one call for each. The engine's questions and fences
 * go straight to the server; its attempts go through relays of which only the first attempt's connection is cut.
 */
final class ByteSweep implements AutoCloseable {

    private static final String ROLE = "app";
    /** The name of the connections that attempts use. */
    private static final String ATTEMPTS = "attempts";
    private static final int WORKERS = 24;
    /** How soon a client notices silence: shorter than any bound of the call's. */
    private static final int SILENCE_MILLIS = 300;
    /** A machine that stalls for longer looks like silence to a call that was not cut yet: then the offset is tried again. */
    private static final int TRIES = 10;
    /** No conversation is so long. */
    private static final int FAR_BEYOND = 1_000_000;
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final RetryPolicy POLICY = RetryPolicy.defaults().withOutageBackoff(Backoff.fixed(Duration.ofMillis(1)));

    private static final UnaryOperator<ConnectTransactRetryBuilder> SOUND = engine -> engine;

    private final PostgresServer server;
    private final CommitSchema schema = CommitSchema.standard();
    private final HikariDataSource questions;
    private final Map<Setting, List<Worker>> crews = new HashMap<>();
    private int sweeps;

    private ByteSweep(PostgresServer server) {
        this.server = server;
        this.questions = new HikariDataSource();
        questions.setDataSource(straight(ROLE));
        questions.setMaximumPoolSize(2 * WORKERS);
        questions.setMinimumIdle(0);
    }

    static ByteSweep open() throws SQLException {
        // Nothing is killed but connections and backends: what fsync protects from does not happen here.
        ByteSweep sweep = new ByteSweep(PostgresServer.builder().setting("fsync", "off").setting("autovacuum", "off")
                .setting("max_connections", "300").launch());
        sweep.execute("CREATE ROLE " + ROLE + " LOGIN", "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)",
                "INSERT INTO account SELECT g, 0 FROM generate_series(1, 100) g", "GRANT SELECT, UPDATE ON account TO " + ROLE);
        sweep.schema.install(sweep.straight(PostgresServer.SUPERUSER));
        sweep.schema.grant(sweep.straight(PostgresServer.SUPERUSER), ROLE);
        return sweep;
    }

    CommitSchema schema() {
        return schema;
    }

    PostgresServer server() {
        return server;
    }

    /**
     * What is swept.
     *
     * @param mode how a commit in doubt is decided
     * @param part what else the engine gets: for one broken on purpose, or none
     * @param rowOfItsOwn whether each attempt updates a row of its own: an engine that ends nobody would wait for its past
     * @param options of each call
     */
    record Setting(OutcomeMode mode, UnaryOperator<ConnectTransactRetryBuilder> part, boolean rowOfItsOwn,
            TransactionOptions options) {

        /** The same for the same mode, and so served by the same engines. */
        static Setting sound(OutcomeMode mode) {
            return new Setting(mode, SOUND, false, TransactionOptions.defaults());
        }
    }

    /** Which bytes of the first attempt's connection are counted. */
    enum Scope {
        /** From BEGIN to the driver's farewell. */
        TRANSACTION,
        /** From the first one to the last before BEGIN: the login, and what the engine asks of a new connection. */
        START_UP
    }

    /**
     * One way swept.
     *
     * @param scope what was swept
     * @param trials those that were cut, by offset without a gap from the first one asked for
     * @param whole the call whose conversation the next offset lies beyond; nothing happened to it
     * @param calls all calls, with those that were repeated
     * @param complaints what is wrong with single calls
     * @param audit all calls' effects
     * @param moved how much the accounts have grown
     */
    record Swept(Setting setting, Scope scope, SweepWay way, List<SweepTrial> trials, SweepTrial whole, int calls,
            List<String> complaints, AuditReport audit, int moved) {

        long told(SweepTrial.Told told) {
            return trials.stream().filter(trial -> trial.told() == told).count();
        }

        long inDoubt() {
            return trials.stream().filter(SweepTrial::inDoubt).count();
        }
    }

    /** Cuts nothing, and so tells how long the conversation is and where its COMMIT lies. */
    SweepTrial uncut(Setting setting) throws SQLException, InterruptedException {
        return sweep(setting, Scope.TRANSACTION, SweepWay.UP_RESET, FAR_BEYOND, 1).whole();
    }

    /** Every offset from the first one given on, until there is no more. */
    Swept sweep(Setting setting, Scope scope, SweepWay way, int first, int answer) throws SQLException, InterruptedException {
        sweeps++;
        Audit audit;
        int before;
        try (Connection direct = server.connect()) {
            audit = Audit.create(direct, String.format("effect_%03d", sweeps));
            before = balance(direct);
        }
        execute("GRANT INSERT ON " + audit.table() + " TO " + ROLE);
        Run run = new Run(setting, scope, way, audit, first);
        run.all();
        try (Connection direct = server.connect()) {
            OtherBackends.ofApplication(direct, ATTEMPTS).awaitNone(PATIENCE);
            List<String> complaints = run.reached.values().stream().map(trial -> trial.complaint(answer))
                    .filter(complaint -> !complaint.isEmpty()).toList();
            return new Swept(setting, scope, way, List.copyOf(run.reached.values()), run.whole(), run.calls.get(), complaints,
                    audit.read(direct), balance(direct) - before);
        }
    }

    private static int balance(Connection direct) throws SQLException {
        try (Statement select = direct.createStatement();
                ResultSet row = select.executeQuery("SELECT sum(balance) FROM account")) {
            row.next();
            return row.getInt(1);
        }
    }

    private PGSimpleDataSource straight(String role) {
        return through(server.port(), role);
    }

    private PGSimpleDataSource through(int port, String role) {
        PGSimpleDataSource dataSource = new PGSimpleDataSource();
        dataSource.setURL(server.jdbcUrl(port));
        dataSource.setUser(role);
        return dataSource;
    }

    private void execute(String... statements) throws SQLException {
        try (Connection direct = server.connect(); Statement statement = direct.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    /** Engines know the server after their first call: they serve all ways. */
    private List<Worker> crew(Setting setting) {
        return crews.computeIfAbsent(setting,
                its -> IntStream.rangeClosed(1, WORKERS).mapToObj(row -> new Worker(its, row)).toList());
    }

    @Override
    public void close() {
        crews.values().forEach(crew -> crew.forEach(Worker::close));
        questions.close();
        server.close();
    }

    /** The offsets of one way, shared out among workers. */
    private final class Run {
        private final Setting setting;
        private final Scope scope;
        private final SweepWay way;
        private final Audit audit;
        private final AtomicInteger next;
        private final AtomicInteger beyond = new AtomicInteger(Integer.MAX_VALUE);
        private final AtomicInteger calls = new AtomicInteger();
        private final Map<Integer, SweepTrial> reached = new ConcurrentSkipListMap<>();
        private final Map<Integer, SweepTrial> missed = new ConcurrentSkipListMap<>();

        Run(Setting setting, Scope scope, SweepWay way, Audit audit, int first) {
            this.setting = setting;
            this.scope = scope;
            this.way = way;
            this.audit = audit;
            this.next = new AtomicInteger(first);
        }

        void all() throws InterruptedException {
            ExecutorService threads = Executors.newFixedThreadPool(WORKERS);
            try {
                List<Future<?>> ends = new ArrayList<>();
                for (Worker worker : crew(setting)) {
                    ends.add(threads.submit(() -> work(worker)));
                }
                for (Future<?> end : ends) {
                    end.get();
                }
            } catch (ExecutionException failed) {
                throw new AssertionError("a worker failed", failed.getCause());
            } finally {
                threads.shutdownNow();
            }
        }

        /** The shortest conversation ends the sweep; a longer one may have been cut beyond it (ids have more digits or fewer). */
        SweepTrial whole() {
            return missed.get(beyond.get());
        }

        private void work(Worker worker) {
            for (int offset = next.getAndIncrement(); offset < beyond.get(); offset = next.getAndIncrement()) {
                SweepTrial trial = worker.triedUntilReached(this, offset);
                (trial.reached() ? reached : missed).put(offset, trial);
                if (!trial.reached()) {
                    beyond.accumulateAndGet(offset, Math::min);
                }
            }
        }
    }

    /** One caller, with an engine, a relay and a row of its own. */
    private final class Worker {
        private final Setting setting;
        private final int row;
        private final ByteRelay relay = new ByteRelay(server.port());
        private final ConnectTransactRetry engine;
        private volatile SweepTrial trial;
        private volatile Scope scope;
        private volatile boolean firstConnection;

        Worker(Setting setting, int row) {
            this.setting = setting;
            this.row = row;
            PGSimpleDataSource attempts = through(relay.port(), ROLE);
            attempts.setApplicationName(ATTEMPTS);
            this.engine = setting.part().apply(ConnectTransactRetry.builder(() -> open(attempts)).schema(schema)
                    .resolverDataSource(questions).outcome(setting.mode()).retryPolicy(POLICY)
                    .listener(event -> trial.on(event))).build();
        }

        private Connection open(PGSimpleDataSource attempts) throws SQLException {
            boolean impatient = firstConnection && trial.way().cut() == Cut.SILENCE;
            firstConnection = false;
            if (impatient && scope == Scope.START_UP) {
                // Nothing shorter can be said before there is a connection; for this worker alone.
                attempts.setSocketTimeout(1);
            }
            try {
                Connection connection = attempts.getConnection();
                if (impatient) {
                    connection.setNetworkTimeout(Runnable::run, SILENCE_MILLIS);
                }
                return connection;
            } finally {
                attempts.setSocketTimeout(0);
            }
        }

        SweepTrial triedUntilReached(Run run, int offset) {
            for (int tries = 1; tries <= TRIES; tries++) {
                SweepTrial tried = call(run, offset, tries);
                if (tried.reached() || tried.isUndisturbed()) {
                    return tried;
                }
            }
            throw new AssertionError("offset " + offset + " was never reached in " + TRIES + " calls; the last: " + trial);
        }

        private SweepTrial call(Run run, int offset, int tries) {
            SweepTrial mine = new SweepTrial(run.way, offset, relay);
            String call = String.format("%s-%010d-%02d", run.way.name().substring(0, 1), offset, tries);
            run.calls.incrementAndGet();
            trial = mine;
            firstConnection = true;
            scope = run.scope;
            if (scope == Scope.START_UP) {
                relay.cutNext(mine.plan());
            }
            try {
                int attempt = engine.run(setting.options(), tx -> body(tx, run.audit, call));
                mine.returned(attempt);
                run.audit.acknowledged(call, attempt);
            } catch (Throwable thrown) {
                mine.threw(thrown);
                run.audit.threw(call, thrown);
            }
            relay.awaitEnd();
            return mine;
        }

        private int body(Transaction tx, Audit audit, String call) throws SQLException {
            if (tx.attempt() == 1 && scope == Scope.TRANSACTION) {
                relay.cutNow(trial.plan());
            } else if (tx.attempt() == 1) {
                relay.letPass();
            }
            audit.append(tx.connection(), call, tx.attempt());
            try (PreparedStatement update = tx.connection().prepareStatement(
                    "UPDATE account SET balance = balance + 1 WHERE id = ?")) {
                update.setInt(1, setting.rowOfItsOwn() ? row + WORKERS * (tx.attempt() - 1) : row);
                update.executeUpdate();
            }
            return tx.attempt();
        }

        void close() {
            engine.close();
            relay.close();
        }
    }
}
