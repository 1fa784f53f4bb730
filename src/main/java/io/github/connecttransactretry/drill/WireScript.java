package io.github.connecttransactretry.drill;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;

/**
 * Decides what happens to each request. Called on the thread of the session, from many sessions at once; it may block,
 * which holds the request back. An exception cuts the session and is logged.
 */
@FunctionalInterface
public interface WireScript {

    /**
     * Decides about a request that has arrived completely and has not been delivered.
     *
     * @param request the request
     * @return the action; not null
     */
    WireAction onRequest(WireRequest request);

    /**
     * Decides when a message larger than {@link WireProxy#LARGE_MESSAGE} begins inside a request, before it is read, so
     * that it can be stalled without being held in memory. With {@link WireAction#PASS} it streams to the server and
     * {@link #onRequest} decides about what follows it; with any other action but {@link WireAction#STALL} and {@link
     * WireAction#CUT_BEFORE} the request is collected whole and {@link #onRequest} is asked.
     *
     * @param soFar what is known of the request by now, the statement of the large message included
     * @return the action; not null
     */
    default WireAction onLargeMessage(WireRequest soFar) {
        return WireAction.PASS;
    }

    /**
     * Lets everything pass.
     *
     * @return the script that a proxy starts with
     */
    static WireScript pass() {
        return request -> WireAction.PASS;
    }

    /**
     * Does one action to every request of a kind, and lets the others pass.
     *
     * @param kind which requests
     * @param action what is done to them
     * @return the script
     */
    static WireScript every(Predicate<WireRequest> kind, WireAction action) {
        return request -> kind.test(request) ? action : WireAction.PASS;
    }

    /**
     * Does one action to the first request of a kind, over all sessions, and lets all others pass.
     *
     * @param kind which requests
     * @param action what is done to the first of them
     * @return the script; good for one use
     */
    static WireScript once(Predicate<WireRequest> kind, WireAction action) {
        return nth(1, kind, action);
    }

    /**
     * Does one action to the nth request of a kind, counted over all sessions, and lets all others pass.
     *
     * @param n which one, from 1
     * @param kind which requests are counted
     * @param action what is done to the nth
     * @return the script; good for one use
     */
    static WireScript nth(int n, Predicate<WireRequest> kind, WireAction action) {
        AtomicInteger seen = new AtomicInteger();
        return request -> kind.test(request) && seen.incrementAndGet() == n ? action : WireAction.PASS;
    }
}
