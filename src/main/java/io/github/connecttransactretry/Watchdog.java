package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.PhysicalConnection;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Aborts a physical connection whose deadline has come. A network timeout alone does not bound a write into a peer that has
 * stopped reading, and starts anew with every byte that trickles in (measured: 64 MB into a stalled peer, still blocked after
 * 15 s); closing the socket from another thread frees it in milliseconds.
 */
final class Watchdog {

    private final EngineThreads threads;

    Watchdog(EngineThreads threads) {
        this.threads = threads;
    }

    /** Watches until {@link Watch#end()}. */
    Watch watch(PhysicalConnection connection, Deadline deadline) {
        Watch watch = new Watch(connection);
        watch.alarm = threads.clock().schedule(() -> watch.fire(threads), deadline.remaining().toNanos(), TimeUnit.NANOSECONDS);
        return watch;
    }

    /** One watched stretch of time. */
    static final class Watch {

        private enum State { WATCHING, FIRED, ENDED }

        private final PhysicalConnection connection;
        private final AtomicReference<State> state = new AtomicReference<>(State.WATCHING);
        private volatile Future<?> alarm;

        private Watch(PhysicalConnection connection) {
            this.connection = connection;
        }

        private void fire(EngineThreads threads) {
            // On a worker, since an abort that blocks (TLS says goodbye) must not hold up the other deadlines.
            if (state.compareAndSet(State.WATCHING, State.FIRED)) {
                threads.workers().execute(connection::abort);
            }
        }

        /** Whether the deadline came while it was watched; the abort may still be under way. */
        boolean hasFired() {
            return state.get() == State.FIRED;
        }

        /** Stops watching; true if the connection was aborted, now or before. */
        boolean end() {
            if (state.compareAndSet(State.WATCHING, State.ENDED)) {
                alarm.cancel(false);
            }
            return hasFired();
        }
    }
}
