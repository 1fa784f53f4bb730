package io.github.connecttransactretry;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** Which call of the engine is on which backend now, so that the other side of a deadlock has a name. Thread-safe. */
final class BackendLabels {

    private final Map<Integer, Stay> stays = new ConcurrentHashMap<>();
    private final AtomicLong order = new AtomicLong();

    /**
     * One attempt's time on a backend.
     *
     * @param since its place in the order in which attempts took their backends
     */
    record Stay(int pid, String label, long since) {
    }

    Stay enter(int pid, String label) {
        Stay stay = new Stay(pid, label, order.incrementAndGet());
        stays.put(pid, stay);
        return stay;
    }

    void leave(Stay stay) {
        stays.remove(stay.pid(), stay);
    }

    /** The place in that order of whoever came last. */
    long last() {
        return order.get();
    }

    /**
     * The label of the call that is on a backend, or null if it is none of this engine's, or has gone.
     *
     * @param before no call that came after this place in the order: it would not be the one that was waited for
     */
    String labelOf(int pid, long before) {
        Stay stay = stays.get(pid);
        return stay == null || stay.since() > before ? null : stay.label();
    }
}
