package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.lab.Moment.Point;
import io.github.connecttransactretry.lab.Scenario.StageKind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Predicate;

/**
 * Draws the scenario of a soak's round: one of the scenario files whole, up to two more for their toxics, all with other
 * moments, durations and numbers than the files say, and backends terminated here and there. Immutable.
 */
final class SoakDraw {

    private static final Expectation NOTHING_ELSE = new Expectation(0, 0, 0, 0, 0, 0, true, false, Duration.ZERO, Duration.ZERO);
    /** Ample: a call that ends for want of time shows little. */
    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    private static final int MOST_MILLIS = 400;

    private final List<Scenario> whole;
    private final List<Scenario> toxicsOnly;
    private final int leastCalls;

    /**
     * Takes the files whose stage can be had. Left out are those in which a call rightly fails, stays unknown with a ledger, or
     * is discarded by a promotion, and that of asynchronous COMMITs: what the server answers to such a one itself, rather than to
     * a question about it, a crash may take back. A round has so many calls, and up to three times as many.
     */
    SoakDraw(List<Scenario> files, Predicate<StageKind> canBeHad, int leastCalls) {
        this.leastCalls = leastCalls;
        whole = files.stream().filter(file -> canBeHad.test(file.stage()) && !file.expect().discards()
                && file.expect().failed() == 0 && file.expect().unknown() == 0
                && !file.work().session().containsKey("synchronous_commit")).toList();
        toxicsOnly = whole.stream().filter(file -> file.stage() == StageKind.SINGLE
                && file.faults().stream().allMatch(fault -> fault.what() instanceof Fault.Toxic)).toList();
    }

    /** The scenario of that chance, named after the files that it was made of. */
    Scenario draw(SplittableRandom chance) {
        Scenario base = whole.get(chance.nextInt(whole.size()));
        int calls = chance.nextInt(leastCalls, 3 * leastCalls);
        List<PlannedFault> faults = new ArrayList<>();
        StringBuilder name = new StringBuilder(base.name());
        base.faults().forEach(fault -> faults.add(moved(fault, calls, chance)));
        for (int more = chance.nextInt(3); more > 0; more--) {
            Scenario other = toxicsOnly.get(chance.nextInt(toxicsOnly.size()));
            name.append(" + ").append(other.name());
            other.faults().forEach(fault -> faults.add(moved(fault, calls, chance)));
        }
        if (chance.nextInt(3) == 0) {
            name.append(" + terminations");
            faults.add(new PlannedFault(Fault.Server.TERMINATE_BACKEND, new Moment(Point.WORK, 0, millis(chance, 50, 500)),
                    Duration.ZERO, chance.nextInt(3, 12), millis(chance, 20, 200)));
        }
        return new Scenario(name.toString(), base.title(), base.tells(), base.stage(), work(base.work(), calls, chance), faults,
                NOTHING_ELSE);
    }

    private static Work work(Work file, int calls, SplittableRandom chance) {
        int accounts = file.accounts() < 8 ? file.accounts() * 4 : chance.nextInt(30, 200);
        return new Work(chance.nextInt(6, 17), calls, accounts, TIMEOUT, millis(chance, 200, 500),
                file.serializable() || chance.nextInt(6) == 0, file.session(), file.asksPastFaults() || chance.nextInt(4) == 0, false, "");
    }

    private static PlannedFault moved(PlannedFault fault, int calls, SplittableRandom chance) {
        if (fault.what() instanceof Fault.Server) {
            Moment moment = fault.moment().point() == Point.WORK ? new Moment(Point.WORK, 0, millis(chance, 100, 1500))
                    : new Moment(fault.moment().point(), chance.nextInt(calls / 4, calls), fault.moment().after());
            return new PlannedFault(fault.what(), moment, fault.lasts(), 1, Duration.ZERO);
        }
        Fault.Toxic toxic = (Fault.Toxic) fault.what();
        if (fault.moment().point() == Point.OPENING && toxic.toxicity() == 0) {
            // Meets nobody, and makes Toxiproxy end its connections by a reset: it has to be there first.
            return fault;
        }
        Duration lasts = shortened(fault.lasts(), chance);
        if (fault.moment().point() == Point.OPENING || fault.moment().point() == Point.WORK) {
            return new PlannedFault(toxic, new Moment(Point.WORK, 0, millis(chance, 0, 800)), lasts, chance.nextInt(1, 4),
                    millis(chance, 200, 1000));
        }
        // The longer it lasts the rarer it is, so that most of the time calls can end.
        int every = (int) Math.max(chance.nextInt(50, 150), lasts.toMillis() * chance.nextInt(1, 4));
        return new PlannedFault(toxic, new Moment(fault.moment().point(), Math.min(every, calls / 2), fault.moment().after()), lasts,
                calls, Duration.ZERO);
    }

    private static Duration shortened(Duration inFile, SplittableRandom chance) {
        long most = inFile.isZero() ? MOST_MILLIS : Math.min(MOST_MILLIS, inFile.toMillis() * 3 / 2);
        return millis(chance, (int) Math.max(1, most / 3), (int) most + 1);
    }

    private static Duration millis(SplittableRandom chance, int least, int bound) {
        return Duration.ofMillis(chance.nextInt(least, bound));
    }

    /** What can be drawn, for the reader. */
    @Override
    public String toString() {
        return whole.size() + " scenario files, " + toxicsOnly.size() + " of them of toxics alone";
    }

    /** How often each fault was done, toxics and server faults apart. */
    static int done(Map<String, Integer> faults, boolean onServers) {
        return faults.entrySet().stream().filter(fault -> isOnServers(fault.getKey()) == onServers)
                .mapToInt(Map.Entry::getValue).sum();
    }

    private static boolean isOnServers(String fault) {
        for (Fault.Server kind : Fault.Server.values()) {
            if (kind.toString().equals(fault)) {
                return true;
            }
        }
        return false;
    }
}
