package io.github.connecttransactretry.peers;

import java.util.Arrays;
import java.util.SplittableRandom;

/** What happens to which call, and what the call does; the same for all peers. Immutable. */
final class FaultPlan {

    private static final int LEAST_LATE_MILLIS = 20;
    private static final int MOST_LATE_MILLIS = 300;

    private final Fault[] faults;
    private final long seed;

    FaultPlan(int calls, long seed) {
        this.seed = seed;
        this.faults = new Fault[calls];
        SplittableRandom chance = new SplittableRandom(seed);
        for (int call = 0; call < calls; call++) {
            faults[call] = drawn(chance.nextInt(1000));
        }
        faults[calls / 2] = Fault.SERVER_CRASH;
    }

    private static Fault drawn(int perMille) {
        int upTo = 0;
        for (Fault fault : Fault.values()) {
            upTo += fault.perMille;
            if (perMille < upTo) {
                return fault;
            }
        }
        return Fault.NONE;
    }

    int calls() {
        return faults.length;
    }

    Fault of(int call) {
        return faults[call];
    }

    /** How many calls meet this one. */
    long count(Fault fault) {
        return Arrays.stream(faults).filter(fault::equals).count();
    }

    /** How long a late COMMIT of this call is under way. */
    int lateMillis(int call) {
        return chance(call).nextInt(LEAST_LATE_MILLIS, MOST_LATE_MILLIS);
    }

    /** The call's own chance, for what it does. */
    SplittableRandom chance(int call) {
        return new SplittableRandom(seed + 1_000_003L * call).split();
    }
}
