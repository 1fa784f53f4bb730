package io.github.connecttransactretry;

import io.github.connecttransactretry.chaos.Await;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Threads that make transfers through an engine, one call after another, and tell the audit what each was answered. Safe from
 * any thread.
 */
final class Traffic implements AutoCloseable {

    static final int THREADS = 8;

    /** Long enough for a call to outlast a failover on a busy machine. */
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final FailoverScene scene;
    private final List<Thread> threads = new ArrayList<>();
    private final AtomicInteger numbers = new AtomicInteger();
    private final Set<String> acknowledged = ConcurrentHashMap.newKeySet();
    private volatile ConnectTransactRetry engine;
    private boolean stopped;
    private boolean paused;

    private Traffic(FailoverScene scene, ConnectTransactRetry engine) {
        this.scene = scene;
        this.engine = engine;
    }

    static Traffic begin(FailoverScene scene, ConnectTransactRetry engine, SplittableRandom chance) {
        Traffic traffic = new Traffic(scene, engine);
        for (int number = 1; number <= THREADS; number++) {
            SplittableRandom own = chance.split();
            Thread thread = new Thread(() -> traffic.work(own), "traffic-" + number);
            thread.setDaemon(true);
            traffic.threads.add(thread);
        }
        traffic.threads.forEach(Thread::start);
        return traffic;
    }

    /** Calls that begin from now on go through this engine. */
    void through(ConnectTransactRetry next) {
        engine = next;
    }

    private void work(SplittableRandom chance) {
        while (mayGoOn()) {
            call(Integer.toString(numbers.incrementAndGet()), chance);
        }
    }

    private synchronized boolean mayGoOn() {
        while (paused && !stopped) {
            try {
                wait();
            } catch (InterruptedException e) {
                return false;
            }
        }
        return !stopped;
    }

    /** No call begins until {@link #resume()}: what is built meanwhile is built sooner. */
    synchronized void pause() {
        paused = true;
    }

    synchronized void resume() {
        paused = false;
        notifyAll();
    }

    private void call(String call, SplittableRandom chance) {
        int from = chance.nextInt(1, FailoverScene.ACCOUNTS + 1);
        int to = from % FailoverScene.ACCOUNTS + 1;
        try {
            int attempt = engine.run(TransactionOptions.defaults().withLabel(call).withTimeout(LIMIT),
                    tx -> scene.move(tx, call, from, to));
            scene.audit().acknowledged(call, attempt);
            acknowledged.add(call);
        } catch (Exception | Error thrown) {
            scene.audit().threw(call, thrown);
        }
    }

    /** The calls that returned so far. */
    Set<String> acknowledged() {
        return new TreeSet<>(acknowledged);
    }

    /** The calls that have begun so far bear a number up to this one. */
    int begun() {
        return numbers.get();
    }

    void awaitAcknowledged(int more) {
        int before = acknowledged.size();
        Await.until(more + " more calls to return", CommitScene.PATIENCE, () -> acknowledged.size() >= before + more);
    }

    /** No further call begins; returns when all have ended. */
    @Override
    public void close() {
        synchronized (this) {
            stopped = true;
            notifyAll();
        }
        Await.until("the last calls to end", LIMIT.plusSeconds(10), () -> threads.stream().noneMatch(Thread::isAlive));
    }
}
