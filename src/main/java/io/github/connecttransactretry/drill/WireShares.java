package io.github.connecttransactretry.drill;

import java.util.Map;
import java.util.SplittableRandom;

/** Picks what happens to a request by chance, from a seed. Thread-safe. */
public final class WireShares {

    private final long seed;

    /**
     * The chance of one run.
     *
     * @param seed where it comes from
     */
    public WireShares(long seed) {
        this.seed = seed;
    }

    /**
     * What happens to a request; the same for the same seed, session and request.
     *
     * @param request that arrives
     * @param shares  of a thousand such requests, by action; the rest passes
     * @return not null
     */
    public WireAction draw(WireRequest request, Map<WireAction, Double> shares) {
        double chance = new SplittableRandom(seed + 1_000_003L * request.session() + request.ordinal()).split().nextDouble(1000);
        double upTo = 0;
        // In the enum's own order: a map's may differ from run to run, and the seed would mean something else.
        for (WireAction action : WireAction.values()) {
            upTo += shares.getOrDefault(action, 0.0);
            if (chance < upTo) {
                return action;
            }
        }
        return WireAction.PASS;
    }
}
