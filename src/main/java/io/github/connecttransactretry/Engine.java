package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.ErrorClassifier;
import io.github.connecttransactretry.classify.Failure;
import io.github.connecttransactretry.classify.Verdict;
import io.github.connecttransactretry.observe.TransactionEvent;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The parts that all calls of one engine share, put together once.
 *
 * @param insideFunction set on a thread while it is inside a function of this engine
 * @param labels         which of its calls is on which backend
 */
record Engine(Settings settings, Drivers drivers, Connector connector, OutcomeInquiry inquiry, Fencing fencing,
              EngineThreads threads, ThreadLocal<Boolean> insideFunction, BackendLabels labels) {

    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

    static Engine assemble(Settings settings, Pool pool, Pool resolverPool, Drivers drivers) {
        EngineThreads threads = new EngineThreads();
        Watchdog watchdog = new Watchdog(threads);
        SessionCatalogue sessions = new SessionCatalogue(settings.schema(), settings.plan(), settings.time());
        Connector connector = new Connector(pool, drivers, new Opener(threads, pool.longestWait().isPresent()), new Evictor(pool, settings.time()), watchdog, sessions,
                new Door(settings.mostInPool()), settings.connectOnCaller());
        ResolverRoad road = ResolverRoad.of(pool, resolverPool, drivers, new Opener(threads, false), watchdog, settings.time());
        return new Engine(settings, drivers, connector, new OutcomeInquiry(settings, drivers, road, sessions),
                new Fencing(settings, road, threads), threads, new ThreadLocal<>(), new BackendLabels());
    }

    <T, X extends Exception> T insideFunction(TransactionalFunction<T, X> function, Transaction transaction) throws X {
        insideFunction.set(Boolean.TRUE);
        try {
            return function.apply(transaction);
        } finally {
            insideFunction.remove();
        }
    }

    boolean isInsideFunction() {
        return insideFunction.get() != null;
    }

    /** The verdict of the first classifier that has one; one that passes on to nobody, or throws, means permanent. */
    Verdict classify(Failure failure) {
        return classify(settings.classifier(), failure);
    }

    static Verdict classify(ErrorClassifier classifier, Failure failure) {
        try {
            return classifier.classify(failure).orElse(Verdict.PERMANENT);
        } catch (Throwable thrown) {
            LOG.warn("an ErrorClassifier threw; the failure counts as permanent", thrown);
            return Verdict.PERMANENT;
        }
    }

    void evicted(Journey journey, boolean wholePool) {
        journey.tell(new TransactionEvent.Evicted(journey.options().label(), wholePool));
    }
}
