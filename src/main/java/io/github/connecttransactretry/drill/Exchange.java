package io.github.connecttransactretry.drill;

/** A request on its way to the server, until the last ReadyForQuery of its answer. */
final class Exchange {

    /** What becomes of an answer. */
    enum Fate {
        /** It goes to the client. */
        FORWARD,
        /** It goes to the client byte by byte. */
        TRICKLE,
        /** Nobody hears it, and the client hears nothing from then on. */
        SWALLOW,
        /** Nobody hears it; then the session is cut. */
        SWALLOW_AND_CUT;

        boolean reachesClient() {
            return this == FORWARD || this == TRICKLE;
        }
    }

    private final Fate fate;
    private final HeldRequest held;
    private final boolean whole;
    // Only the thread that reads the answers counts it down.
    private int expected;

    private Exchange(Fate fate, HeldRequest held, boolean whole, int expected) {
        this.fate = fate;
        this.held = held;
        this.whole = whole;
        this.expected = expected;
    }

    /** A request that is delivered as a script wants it, with as many Syncs and Queries in it. */
    static Exchange of(WireAction action, int syncs) {
        return new Exchange(switch (action) {
            case TRICKLE -> Fate.TRICKLE;
            case CUT_AFTER -> Fate.SWALLOW_AND_CUT;
            case BLACK_HOLE_AFTER -> Fate.SWALLOW;
            default -> Fate.FORWARD;
        }, null, true, syncs);
    }

    /** The first part of a request that is streamed; it makes no round trip of its own. */
    static Exchange part(int syncs) {
        return new Exchange(Fate.FORWARD, null, false, syncs);
    }

    /** A request that was held back. */
    static Exchange of(HeldRequest held) {
        return new Exchange(Fate.SWALLOW, held, true, held.syncs());
    }

    Fate fate() {
        return fate;
    }

    /** Where the answer is noted; null but for a request that was held back. */
    HeldRequest held() {
        return held;
    }

    /** Whether its answer ends a round trip. */
    boolean whole() {
        return whole;
    }

    /** Takes note of one ReadyForQuery; true if it was the last one. */
    boolean ready() {
        return --expected <= 0;
    }
}
