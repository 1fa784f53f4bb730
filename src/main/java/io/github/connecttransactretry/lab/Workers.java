package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.CommitOutcomeUnknownException;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.Transaction;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.ground.TimeSource;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/** Threads that make the calls of a scenario, one after another each, and tell the audit what they were answered. */
final class Workers {

    private final Work work;
    private final Accounts accounts;
    private final ConnectTransactRetry engine;
    private final Timeline timeline;
    private final Tally tally;
    private final TransactionOptions options;
    /** Calls hold it together; what wants no call under way holds it alone. */
    private final ReadWriteLock underWay = new ReentrantReadWriteLock(true);
    private final AtomicInteger calls = new AtomicInteger();
    private final AtomicLong shortest = new AtomicLong(Long.MAX_VALUE);
    private final AtomicLong longest = new AtomicLong();
    private final AtomicReference<Throwable> broken = new AtomicReference<>();
    private final List<Thread> threads = new ArrayList<>();

    Workers(Work work, Accounts accounts, ConnectTransactRetry engine, Timeline timeline, Tally tally) {
        this.work = work;
        this.accounts = accounts;
        this.engine = engine;
        this.timeline = timeline;
        this.tally = tally;
        this.options = (work.serializable() ? TransactionOptions.serializable() : TransactionOptions.defaults())
                // Else the question for the transaction's id would come between the function's end and COMMIT, and be hit instead.
                .withEvidenceAtBegin().withTimeout(work.timeout());
    }

    void begin(SplittableRandom chance) {
        for (int number = 1; number <= work.threads(); number++) {
            SplittableRandom own = chance.split();
            Thread thread = new Thread(() -> workOn(own), "lab-worker-" + number);
            thread.setDaemon(true);
            threads.add(thread);
        }
        threads.forEach(Thread::start);
    }

    private void workOn(SplittableRandom chance) {
        try {
            for (int call = next(); call > 0; call = next()) {
                if (timeline.wantsIdle(call)) {
                    idle(call);
                }
                underWay.readLock().lock();
                try {
                    call(call, chance);
                } finally {
                    underWay.readLock().unlock();
                }
                if (tally.wasInDoubt(Integer.toString(call))) {
                    timeline.reached(Moment.Point.AFTER_DOUBT, call);
                }
            }
        } catch (InterruptedException | RuntimeException | Error failed) {
            broken.compareAndSet(null, failed);
        }
    }

    private synchronized int next() {
        // Without its faults the play is worth nothing, and a Toxiproxy that has gone lets no call through.
        return broken.get() == null && !timeline.isBroken() && (calls.get() < work.calls() || !timeline.isOver()) ? calls.incrementAndGet() : 0;
    }

    private void idle(int call) throws InterruptedException {
        underWay.writeLock().lock();
        try {
            timeline.idle(call, TimeSource.system()::sleep);
        } finally {
            underWay.writeLock().unlock();
        }
    }

    private void call(int number, SplittableRandom chance) {
        String call = Integer.toString(number);
        int from = chance.nextInt(1, work.accounts() + 1);
        int to = from % work.accounts() + 1;
        long begun = System.nanoTime();
        try {
            int attempt = engine.run(options.withLabel(call), tx -> transfer(tx, number, from, to));
            accounts.audit().acknowledged(call, attempt);
            long took = System.nanoTime() - begun;
            shortest.accumulateAndGet(took, Math::min);
            longest.accumulateAndGet(took, Math::max);
        } catch (CommitOutcomeUnknownException unknown) {
            if (work.looksWhenUnknown() && accounts.shows(call)) {
                accounts.audit().acknowledged(call, 1);
            } else {
                accounts.audit().threw(call, unknown);
            }
        } catch (Exception | Error failed) {
            accounts.audit().threw(call, failed);
        }
    }

    private int transfer(Transaction tx, int call, int from, int to) throws SQLException {
        accounts.audit().append(tx.connection(), Integer.toString(call), tx.attempt());
        // The lower one first, whoever gives: no two transfers wait for each other in a circle.
        accounts.move(tx, Math.min(from, to), from < to ? -1 : 1);
        reached(tx, Moment.Point.BODY, call);
        accounts.move(tx, Math.max(from, to), from < to ? 1 : -1);
        if (work.swallowsIn(call)) {
            Accounts.swallow(tx, work.swallows());
        }
        reached(tx, Moment.Point.BEFORE_COMMIT, call);
        return tx.attempt();
    }

    private void reached(Transaction tx, Moment.Point point, int call) {
        if (tx.attempt() == 1) {
            timeline.reached(point, call);
        }
    }

    /** Of the calls that returned; zero if none did. */
    Duration shortest() {
        return Duration.ofNanos(longest.get() == 0 ? 0 : shortest.get());
    }

    /** Of the calls that returned; zero if none did. */
    Duration longest() {
        return Duration.ofNanos(longest.get());
    }

    private boolean isDone() {
        return threads.stream().noneMatch(Thread::isAlive);
    }

    /** Waits for the last of them. */
    void join() {
        // The time line's end is waited for by the work itself; each server fault of it may take its while.
        Await.until("the calls to end", work.timeout().multipliedBy(4).plusSeconds(work.calls()), this::isDone);
        if (broken.get() != null) {
            throw new IllegalStateException("a worker has failed", broken.get());
        }
    }
}
