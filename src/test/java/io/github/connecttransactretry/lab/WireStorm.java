package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.HeldRequest;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.drill.WireShares;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Seeded faults on the wire of one round: at COMMIT, in the body and in the questions about a COMMIT, each at a request that
 * chance picks; what is held back is delivered at random moments, and now and then all connections are cut. A question is cut
 * but never black-holed: that would take all that is left of its call's time. Safe from any thread.
 */
final class WireStorm implements WireScript {

    private static final Duration LONGEST_END = Duration.ofSeconds(40);
    private static final String EFFECT = ".effect";
    private static final String EVIDENCE = "pg_current_xact_id()";
    private static final List<String> QUESTIONS = List.of("pg_xact_status", "'tombstone'");

    // Of a thousand requests each.
    private static final Map<WireAction, Double> AT_COMMIT = Map.of(
            WireAction.CUT_BEFORE, 14.0,
            WireAction.CUT_AFTER, 28.0,
            WireAction.HOLD_AND_CUT, 18.0,
            WireAction.BLACK_HOLE_BEFORE, 0.5,
            WireAction.BLACK_HOLE_AFTER, 1.0);
    private static final Map<WireAction, Double> IN_BODY = Map.of(
            WireAction.CUT_BEFORE, 5.0,
            WireAction.CUT_AFTER, 5.0,
            WireAction.BLACK_HOLE_AFTER, 0.2);
    private static final Map<WireAction, Double> AT_EVIDENCE = Map.of(WireAction.CUT_BEFORE, 5.0, WireAction.CUT_AFTER, 5.0);
    private static final Map<WireAction, Double> AT_QUESTION = Map.of(WireAction.CUT_BEFORE, 40.0, WireAction.CUT_AFTER, 40.0);

    private final WireProxy wire;
    private final SplittableRandom chance;
    private final WireShares onWire;
    /** Sessions in a transaction of a call, after its first effect. */
    private final Set<Integer> inBody = ConcurrentHashMap.newKeySet();
    private final AtomicInteger atCommit = new AtomicInteger();
    private final AtomicInteger elsewhere = new AtomicInteger();
    private final AtomicInteger lateInVain = new AtomicInteger();
    private final AtomicInteger lateDone = new AtomicInteger();
    private final AtomicReference<RuntimeException> broken = new AtomicReference<>();
    private final ScheduledThreadPoolExecutor clock;
    private volatile boolean over;

    WireStorm(WireProxy wire, SplittableRandom chance) {
        this.wire = wire;
        this.onWire = new WireShares(chance.nextLong());
        this.chance = chance.split();
        this.clock = new ScheduledThreadPoolExecutor(2, task -> {
            Thread thread = new Thread(task, "lab-storm");
            thread.setDaemon(true);
            return thread;
        });
    }

    /**
     * What was done.
     *
     * @param atCommit   faults that met a COMMIT of a call after its first byte and before its answer
     * @param elsewhere  the other faults
     * @param lateInVain COMMITs that arrived late and did nothing
     * @param lateDone   COMMITs that arrived late and committed
     */
    record Counts(int atCommit, int elsewhere, int lateInVain, int lateDone) {
    }

    Counts counts() {
        return new Counts(atCommit.get(), elsewhere.get(), lateInVain.get(), lateDone.get());
    }

    /** Begins. */
    void begin() {
        wire.script(this);
        again(chance.split(), 2, 250, this::deliver);
        again(chance.split(), 1000, 4000, () -> {
            wire.cutAll();
            elsewhere.incrementAndGet();
        });
    }

    private void again(SplittableRandom own, int leastMillis, int mostMillis, Runnable task) {
        if (over) {
            return;
        }
        clock.schedule(() -> {
            try {
                task.run();
            } catch (RuntimeException failed) {
                broken.compareAndSet(null, failed);
            }
            again(own, leastMillis, mostMillis, task);
        }, own.nextInt(leastMillis, mostMillis), TimeUnit.MILLISECONDS);
    }

    private void deliver() {
        for (HeldRequest request : wire.releaseHeld()) {
            if (request.request().isCommit()) {
                (request.outcome().orElse("").contains("COMMIT") ? lateDone : lateInVain).incrementAndGet();
            }
        }
    }

    /**
     * The clients have gone: what is held back is delivered, and black holes are closed.
     *
     * @throws IllegalStateException if something could not be delivered
     */
    void end() {
        over = true;
        wire.script(WireScript.pass());
        clock.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        clock.shutdown();
        Await.until("the end of the storm", LONGEST_END, clock::isTerminated);
        deliver();
        wire.cutAll();
        if (broken.get() != null) {
            throw new IllegalStateException("the storm has failed", broken.get());
        }
    }

    /** No more of it, in whatever state it is. */
    void abandon() {
        over = true;
        clock.shutdownNow();
    }

    @Override
    public WireAction onRequest(WireRequest request) {
        boolean working = isInBody(request);
        if (working && request.isCommit()) {
            inBody.remove(request.session());
            return counted(onWire.draw(request, AT_COMMIT), atCommit);
        }
        // A COMMIT that is not of a call's body seals the answer to a question.
        boolean question = request.isCommit() || QUESTIONS.stream().anyMatch(request::mentions);
        Map<WireAction, Double> shares = question ? AT_QUESTION : working ? IN_BODY : request.mentions(EVIDENCE) ? AT_EVIDENCE : Map.of();
        return counted(onWire.draw(request, shares), elsewhere);
    }

    private boolean isInBody(WireRequest request) {
        if (request.startsTransaction()) {
            inBody.remove(request.session());
        }
        if (request.mentions(EFFECT)) {
            inBody.add(request.session());
        }
        return inBody.contains(request.session());
    }

    private static WireAction counted(WireAction action, AtomicInteger counter) {
        if (action != WireAction.PASS) {
            counter.incrementAndGet();
        }
        return action;
    }
}
