package io.github.connecttransactretry.drill;

import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What happens on the transfers' wire: seeded faults at COMMIT and in the body, and in the questions about a COMMIT. Calls
 * for which there would be no time left to find out are spared, and a question is cut but never black-holed, as that takes
 * all that is left of its call's time: such calls would rightly end unknown. Safe from any thread.
 */
final class WireFaults implements WireScript {

    private static final String EVIDENCE = "pg_current_xact_id()";
    private static final String STATUS_QUESTION = "pg_xact_status";
    private static final String LEDGER_QUESTION = "'tombstone'";

    /** With less time left a COMMIT arrives and is answered. */
    private static final Duration SPARED = Duration.ofSeconds(2);

    // Of a thousand requests each.
    private static final double INNER_CUTS = 10;
    private static final double INNER_BLACK_HOLES = 0.5;
    private static final double QUESTION_CUTS = 100;
    private static final Map<WireAction, Double> AT_COMMIT = Map.of(
            WireAction.CUT_BEFORE, 150.0,
            WireAction.CUT_AFTER, 180.0,
            WireAction.HOLD_AND_CUT, 100.0,
            WireAction.BLACK_HOLE_BEFORE, 7.0,
            WireAction.BLACK_HOLE_AFTER, 7.0);
    private static final Map<WireAction, Double> IN_BODY = Map.of(
            WireAction.CUT_BEFORE, INNER_CUTS / 2,
            WireAction.CUT_AFTER, INNER_CUTS / 2,
            WireAction.BLACK_HOLE_AFTER, INNER_BLACK_HOLES);
    /** Evidence that hangs would keep the crash's order waiting. */
    private static final Map<WireAction, Double> AT_EVIDENCE = cuts(INNER_CUTS);
    private static final Map<WireAction, Double> AT_QUESTION = cuts(QUESTION_CUTS);

    private final WireShares chance;
    private final CrashDoor door;
    private final Map<Integer, Caller> callers = new ConcurrentHashMap<>();
    private final Map<WireAction, AtomicInteger> done = new EnumMap<>(WireAction.class);
    private volatile boolean quiet;

    WireFaults(long seed, CrashDoor door) {
        this.chance = new WireShares(seed);
        this.door = door;
        for (WireAction action : WireAction.values()) {
            done.put(action, new AtomicInteger());
        }
    }

    /** Whose transaction a session is in. */
    private record Caller(String call, long deadlineNanos) {

        static Caller of(CallMark mark) {
            return new Caller(mark.call(), System.nanoTime() + Duration.ofMillis(mark.remainingMillis()).toNanos());
        }

        boolean isShortOfTime() {
            return deadlineNanos - System.nanoTime() < SPARED.toNanos();
        }
    }

    /** No more faults. */
    void stop() {
        quiet = true;
    }

    /** How often each fault was done; without {@link WireAction#PASS}. */
    Map<WireAction, Integer> done() {
        Map<WireAction, Integer> faults = new EnumMap<>(WireAction.class);
        done.forEach((action, times) -> {
            if (action != WireAction.PASS && times.get() > 0) {
                faults.put(action, times.get());
            }
        });
        return faults;
    }

    @Override
    public WireAction onRequest(WireRequest request) {
        CallMark.in(request.statements()).ifPresent(mark -> callers.put(request.session(), Caller.of(mark)));
        Caller caller = callers.get(request.session());
        try {
            passDoor(request, caller);
        } catch (InterruptedException closing) {
            Thread.currentThread().interrupt();
            return WireAction.CUT_BEFORE;
        }
        WireAction action = quiet ? WireAction.PASS : chance.draw(request, kinds(request, caller));
        done.get(action).incrementAndGet();
        return action;
    }

    private void passDoor(WireRequest request, Caller caller) throws InterruptedException {
        if (caller == null && isQuestion(request)) {
            door.question();
        } else if (caller != null && request.mentions(EVIDENCE)) {
            door.evidence(caller.call());
        } else if (caller != null && request.isCommit()) {
            door.commit(caller.call());
        }
    }

    private static Map<WireAction, Double> kinds(WireRequest request, Caller caller) {
        if (caller == null) {
            return isQuestion(request) ? AT_QUESTION : Map.of();
        }
        if (request.isCommit()) {
            return caller.isShortOfTime() ? Map.of() : AT_COMMIT;
        }
        return request.mentions(EVIDENCE) ? AT_EVIDENCE : IN_BODY;
    }

    private static boolean isQuestion(WireRequest request) {
        return request.mentions(STATUS_QUESTION) || request.mentions(LEDGER_QUESTION);
    }

    private static Map<WireAction, Double> cuts(double share) {
        return Map.of(WireAction.CUT_BEFORE, share / 2, WireAction.CUT_AFTER, share / 2);
    }
}
