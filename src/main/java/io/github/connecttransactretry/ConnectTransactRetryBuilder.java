package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.ErrorClassifier;
import io.github.connecttransactretry.classify.PostgresClassifier;
import io.github.connecttransactretry.deadletter.DeadLetterSink;
import io.github.connecttransactretry.ground.ConnectionSource;
import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.PoolSupport;
import io.github.connecttransactretry.ground.TimeSource;
import io.github.connecttransactretry.observe.Events;
import io.github.connecttransactretry.observe.Slf4jListener;
import io.github.connecttransactretry.observe.TransactionListener;
import io.github.connecttransactretry.outcome.BackendFence;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.CommitSchema;
import io.github.connecttransactretry.outcome.LedgerResolver;
import io.github.connecttransactretry.outcome.LedgerWriter;
import io.github.connecttransactretry.outcome.TransactionStatusResolver;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.github.connecttransactretry.pacing.RetryBudget;
import io.github.connecttransactretry.pacing.RetryPolicy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What an engine is made of; everything has a default. For one thread. */
public final class ConnectTransactRetryBuilder {

    private static final Logger LOG = LoggerFactory.getLogger(ConnectTransactRetryBuilder.class);

    private static final String NO_RESOLVER = "a resolver is null: give one, or leave it out";

    private final DataSource dataSource;
    private final ConnectionSource connections;
    private final List<TransactionListener> listeners = new ArrayList<>(List.of(new Slf4jListener()));
    private RetryPolicy policy = RetryPolicy.defaults();
    private ErrorClassifier classifier = PostgresClassifier.standard();
    private OutcomeMode mode = OutcomeMode.AUTOMATIC;
    private List<CommitOutcomeResolver> resolvers = List.of();
    private Duration allowedClockSkew = LedgerResolver.DEFAULT_SKEW;
    private LedgerWriter writer;
    private Supplier<UUID> tokens = UUID::randomUUID;
    private DataSource resolverDataSource;
    private CommitSchema schema = CommitSchema.standard();
    private TransactionOptions defaults = TransactionOptions.defaults();
    private BackendFence fence = new BackendFence(true);
    private boolean physicalReplication = true;
    private boolean connectOnCaller;
    private RetryBudget budget;
    private CircuitBreaker breaker;
    private int mostInPool = Integer.MAX_VALUE;
    private TimeSource time = TimeSource.system();
    private DeadLetterSink deadLetters;
    private List<DriverSupport> drivers;

    ConnectTransactRetryBuilder(DataSource dataSource, ConnectionSource connections) {
        this.dataSource = dataSource;
        this.connections = connections;
    }

    /** How often and how fast to repeat; {@link RetryPolicy#defaults()} if not said. */
    public ConnectTransactRetryBuilder retryPolicy(RetryPolicy retryPolicy) {
        this.policy = Objects.requireNonNull(retryPolicy, "retryPolicy is null: give one, or leave it out");
        return this;
    }

    /**
     * What errors mean. One that passes on is followed by {@link PostgresClassifier#standard()}, which never does; a
     * {@link PostgresClassifier} given here replaces that.
     */
    public ConnectTransactRetryBuilder classifier(ErrorClassifier errorClassifier) {
        Objects.requireNonNull(errorClassifier, "errorClassifier is null: give one, or leave it out");
        this.classifier = errorClassifier.orElse(PostgresClassifier.standard());
        return this;
    }

    /**
     * By what the engine finds out what became of a COMMIT in doubt; {@link OutcomeMode#AUTOMATIC} if not said.
     *
     * @param outcomeMode what each writing call leaves behind, and is asked first, not null
     * @param then        asked after that, in this order, for example {@code new CamoResolver()}; a call's own
     *                    {@link TransactionOptions#withVerification verification} is asked last of all
     */
    public ConnectTransactRetryBuilder outcome(OutcomeMode outcomeMode, CommitOutcomeResolver... then) {
        this.mode = Objects.requireNonNull(outcomeMode, "outcomeMode is null: give one, or leave it out");
        for (CommitOutcomeResolver resolver : Objects.requireNonNull(then, NO_RESOLVER)) {
            Objects.requireNonNull(resolver, NO_RESOLVER);
        }
        this.resolvers = List.of(then);
        return this;
    }

    /**
     * The whole chain spelled out, in the order of asking, for a chain that {@link #outcome} cannot say. A
     * {@link LedgerResolver} in it has every writing call leave a row in the ledger of {@link #schema}.
     *
     * @throws IllegalArgumentException if none is given: say {@code outcome(OutcomeMode.NONE)} if that is meant
     */
    public ConnectTransactRetryBuilder resolvers(CommitOutcomeResolver... chain) {
        if (Objects.requireNonNull(chain, NO_RESOLVER).length == 0) {
            throw new IllegalArgumentException("no resolver is given: name one, or call outcome(OutcomeMode.NONE)");
        }
        return outcome(OutcomeMode.NONE, chain);
    }

    /**
     * How far the clocks of database servers that follow one another may lie apart; a minute if not said. A ledger that was
     * purged up to so shortly before a COMMIT is not asked about it.
     *
     * @throws IllegalArgumentException if it is negative
     */
    public ConnectTransactRetryBuilder allowedClockSkew(Duration skew) {
        if (Objects.requireNonNull(skew, "allowedClockSkew is null: give a Duration").isNegative()) {
            throw new IllegalArgumentException("allowedClockSkew is " + skew + ": give a duration that is not negative");
        }
        this.allowedClockSkew = skew;
        return this;
    }

    /**
     * Where questions and fences take their connections. It must lead to the primary, past poolers and replicas, with the
     * same role, and must not be the attempts' pool. If not said, they are opened beside a HikariCP pool, or by the
     * {@code ConnectionSource}.
     *
     * @throws IllegalArgumentException if it is the engine's own {@code DataSource}
     */
    public ConnectTransactRetryBuilder resolverDataSource(DataSource direct) {
        if (Objects.requireNonNull(direct, "resolverDataSource is null: give one, or leave it out") == dataSource) {
            throw new IllegalArgumentException("the resolverDataSource is the attempts' own: give one that leads past their pool,"
                    + " or leave it out");
        }
        this.resolverDataSource = direct;
        return this;
    }

    /** One more listener. Its events come after those of the ones before; the log is always the first. */
    public ConnectTransactRetryBuilder listener(TransactionListener listener) {
        listeners.add(Objects.requireNonNull(listener, "listener is null: give one, or leave it out"));
        return this;
    }

    /**
     * The options of calls that give none; {@link TransactionOptions#defaults()} if not said.
     *
     * @throws IllegalArgumentException if they have an idempotency key, a verification or a dead letter, which are one call's own
     */
    public ConnectTransactRetryBuilder defaults(TransactionOptions options) {
        Objects.requireNonNull(options, "options is null: give them, or leave them out");
        if (options.idempotencyKey() != null || options.verification() != null || options.deadLetter() != null) {
            String what = options.deadLetter() != null ? "a dead letter" : "an idempotency key";
            throw new IllegalArgumentException("the default options have " + (options.verification() == null ? what
                    : "a verification") + ", which belongs to one call: give it to that call's options");
        }
        this.defaults = options;
        return this;
    }

    /** Where the library's tables are, if they are there; {@link CommitSchema#standard()} if not said. */
    public ConnectTransactRetryBuilder schema(CommitSchema commitSchema) {
        this.schema = Objects.requireNonNull(commitSchema, "commitSchema is null: give one, or leave it out");
        return this;
    }

    /** Whether abandoned backends are ended (by {@code pg_terminate_backend}, same role) rather than waited for; true if not said. */
    public ConnectTransactRetryBuilder fencing(boolean terminate) {
        this.fence = new BackendFence(terminate);
        return this;
    }

    /**
     * Whether a failover continues the same WAL, so that what the new primary does not know was not committed; true if not
     * said. Say false where failover is by logical replication: transaction ids mean nothing there afterwards.
     */
    public ConnectTransactRetryBuilder physicalReplication(boolean physical) {
        this.physicalReplication = physical;
        return this;
    }

    /**
     * Connections are taken on the caller's thread, for a {@code DataSource} that looks at thread locals. The deadline then
     * covers the taking only as far as the {@code DataSource}'s own timeouts do.
     */
    public ConnectTransactRetryBuilder connectOnCallerThread() {
        this.connectOnCaller = true;
        return this;
    }

    /**
     * So many calls at once hold or wait for a connection of the pool, the others queue in order of arrival before it; no
     * limit if not said. Set to the pool's size it keeps the pool's own queue empty, so that after an outage connections are
     * handed on without a detour.
     *
     * @throws IllegalArgumentException if it is less than 1
     */
    public ConnectTransactRetryBuilder mostInPool(int calls) {
        if (calls < 1) {
            throw new IllegalArgumentException("mostInPool is " + calls + ": give the size of the pool, at least 1");
        }
        this.mostInPool = calls;
        return this;
    }

    /**
     * Limits the retries of all calls together; not limited if not said. A retry that it refuses ends its call with
     * {@link RetriesExhaustedException}.
     */
    public ConnectTransactRetryBuilder retryBudget(RetryBudget retryBudget) {
        this.budget = Objects.requireNonNull(retryBudget, "retryBudget is null: give one, or leave it out for no limit");
        return this;
    }

    /**
     * Keeps attempts from a server that is away; none if not said. While it is open, calls throw {@link CircuitOpenException} or
     * wait, as it is set to. Questions about a COMMIT in doubt go past it.
     */
    public ConnectTransactRetryBuilder circuitBreaker(CircuitBreaker circuitBreaker) {
        this.breaker = Objects.requireNonNull(circuitBreaker, "circuitBreaker is null: give one, or leave it out for none");
        return this;
    }

    /** The clock, sleep and chance; the system's if not said. */
    public ConnectTransactRetryBuilder timeSource(TimeSource timeSource) {
        this.time = Objects.requireNonNull(timeSource, "timeSource is null: give one, or leave it out for the system's");
        return this;
    }

    /**
     * Where the letters go of calls that {@linkplain TransactionOptions#withDeadLetter ask for one} and fail for good or stay
     * unknown; if not said, such calls are refused at once. A letter is written on the caller's thread, after the call's end
     * and outside its time limit, for as long as the sink takes. What the sink throws goes to the log, with the letter; if the
     * call's exception is one of the engine's, it is added to that as a suppressed one too.
     */
    public ConnectTransactRetryBuilder deadLetters(DeadLetterSink sink) {
        this.deadLetters = Objects.requireNonNull(sink, "sink is null: give one, or leave it out");
        return this;
    }

    /** Others may stay in the chain, for evidence of another time; the one that is written has to be asked. */
    private void requireLedgerAsked() {
        List<CommitSchema> asked = resolvers.stream().filter(LedgerResolver.class::isInstance)
                .map(resolver -> ((LedgerResolver) resolver).schema()).toList();
        boolean byMode = mode == OutcomeMode.LEDGER || mode == OutcomeMode.STATUS_THEN_LEDGER;
        if (!byMode && !asked.isEmpty() && !asked.contains(schema)) {
            throw new IllegalArgumentException("the resolvers ask the ledger " + asked.get(0).ledger() + ", and the engine writes "
                    + schema.ledger() + ": give the builder that schema too");
        }
    }

    /** For tests, which break it on purpose. */
    ConnectTransactRetryBuilder fence(BackendFence broken) {
        this.fence = broken;
        return this;
    }

    /** For tests, which break it on purpose. */
    ConnectTransactRetryBuilder ledgerWriter(LedgerWriter broken) {
        this.writer = broken;
        return this;
    }

    /** For tests, which name the tokens. */
    ConnectTransactRetryBuilder tokens(Supplier<UUID> source) {
        this.tokens = source;
        return this;
    }

    /** For tests, which need a driver that lies. */
    ConnectTransactRetryBuilder drivers(DriverSupport... supports) {
        this.drivers = List.of(supports);
        return this;
    }

    /**
     * The engine. Connects to nothing yet.
     *
     * @throws IllegalStateException    if there is no PostgreSQL driver on the class path
     * @throws IllegalArgumentException if the pool is set up so that it hands out connections with a transaction open
     */
    public ConnectTransactRetry build() {
        Drivers known = drivers == null ? Drivers.found() : new Drivers(drivers);
        if (known.isEmpty()) {
            throw new IllegalStateException("no PostgreSQL driver is on the class path that the engine can ask for a"
                    + " transaction's state: add org.postgresql:postgresql, version 42.7 or newer");
        }
        List<PoolSupport> supports = Drivers.services(PoolSupport.class);
        Pool pool = dataSource == null ? Pool.none(connections) : Pool.of(dataSource, supports);
        pool.openTransactionHazard().ifPresent(hazard -> {
            throw new IllegalArgumentException(hazard);
        });
        Pool resolverPool = resolverDataSource == null ? null : Pool.of(resolverDataSource, supports);
        if (resolverPool == null && pool.beside().isEmpty()) {
            LOG.info("{} is no pool that the engine can get past: if it is one, give the builder a resolverDataSource, so that"
                    + " finding out about a commit in doubt does not wait behind other calls", dataSource.getClass().getName());
        }
        requireLedgerAsked();
        OutcomePlan plan = new OutcomePlan(mode, new TransactionStatusResolver(), new LedgerResolver(schema, allowedClockSkew),
                resolvers);
        Settings settings = new Settings(policy, classifier, plan, schema, writer == null ? new LedgerWriter(schema) : writer,
                tokens, defaults, fence, physicalReplication, mostInPool, connectOnCaller,
                budget, breaker, new Events(listeners), time,
                deadLetters);
        return new ConnectTransactRetry(Engine.assemble(settings, pool, resolverPool, known));
    }
}
