package io.github.connecttransactretry.chaos;

import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A {@link FaultPlan} of chance that its seed repeats: shares of the places have a fault. Immutable. */
public final class SeededFaults extends FaultPlan {

    private static final long ODD = 0x9E3779B97F4A7C15L;

    private final long seed;
    private final List<Share> shares;
    private final int most;

    SeededFaults(long seed, List<Share> shares, int most) {
        this.seed = seed;
        this.shares = List.copyOf(shares);
        this.most = most;
    }

    /** How often a fault happens at a kind of place. */
    record Share(Place place, Fault fault, double share) {
    }

    /**
     * The plan with a fault at a share of the COMMITs more.
     *
     * @param share from 0 (never) to 1 (each); those of all faults at COMMITs together are at most 1
     * @param fault any but {@link Fault#REFUSE}
     * @return a plan of its own
     * @throws IllegalArgumentException if the share is too small or large, or the fault cannot happen there
     */
    public SeededFaults atCommits(double share, Fault fault) {
        return with(Place.COMMIT, share, fault);
    }

    /**
     * The plan with a fault at a share of the statements more.
     *
     * @param share from 0 (never) to 1 (each); those of all faults at statements together are at most 1
     * @param fault any but {@link Fault#REFUSE} and {@link Fault#DELIVER_LATE}
     * @return a plan of its own
     * @throws IllegalArgumentException if the share is too small or large, or the fault cannot happen there
     */
    public SeededFaults atStatements(double share, Fault fault) {
        return with(Place.STATEMENT, share, fault);
    }

    /**
     * The plan with a share of the connects refused.
     *
     * @param share from 0 (never) to 1 (each)
     * @return a plan of its own
     * @throws IllegalArgumentException if the share is too small or large
     */
    public SeededFaults atConnects(double share) {
        return with(Place.CONNECT, share, Fault.REFUSE);
    }

    /**
     * The plan, but at most so many faults.
     *
     * @param faults 0 or more
     * @return a plan of its own
     * @throws IllegalArgumentException if it is less than 0
     */
    public SeededFaults atMost(int faults) {
        if (faults < 0) {
            throw new IllegalArgumentException(faults + " faults cannot be the most: say 0 or more");
        }
        return new SeededFaults(seed, shares, faults);
    }

    private SeededFaults with(Place place, double share, Fault fault) {
        Objects.requireNonNull(fault, "fault").requireFits(place);
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException("the share of " + fault + " at " + place + " is " + share + ": say 0 to 1");
        }
        double sum = share + shares.stream().filter(other -> other.place() == place).mapToDouble(Share::share).sum();
        // Ten times a tenth is a bit more than one.
        if (sum > 1 + 1e-9) {
            throw new IllegalArgumentException("the shares of the faults at " + place + " add up to " + sum + ": more than 1");
        }
        return new SeededFaults(seed, Stream.concat(shares.stream(), Stream.of(new Share(place, fault, share))).toList(), most);
    }

    @Override
    Course begin() {
        return new Chance(this);
    }

    /** The seed, the shares and the bound. */
    @Override
    public String toString() {
        return "seed " + seed + " [" + shares.stream().map(share -> share.place() + ": " + share.fault() + " " + share.share())
                .collect(Collectors.joining(", ")) + "]" + (most == Integer.MAX_VALUE ? "" : " at most " + most);
    }

    private static final class Chance implements Course {

        private final SeededFaults plan;
        private final AtomicInteger made = new AtomicInteger();

        private Chance(SeededFaults plan) {
            this.plan = plan;
        }

        @Override
        public Fault at(Visit visit) {
            double draw = draw(visit);
            for (Share share : plan.shares) {
                if (share.place() == visit.place()) {
                    draw -= share.share();
                    if (draw < 0) {
                        return made.incrementAndGet() <= plan.most ? share.fault() : null;
                    }
                }
            }
            return null;
        }

        /** A draw for each place of its own, whoever comes there first. */
        private double draw(Visit visit) {
            long where = plan.seed;
            for (int part : new int[] {visit.place().ordinal(), visit.connection(), visit.nthOnConnection()}) {
                where = new SplittableRandom(where * ODD + part).nextLong();
            }
            return new SplittableRandom(where).nextDouble();
        }

        @Override
        public List<String> notReached() {
            return List.of();
        }
    }
}
