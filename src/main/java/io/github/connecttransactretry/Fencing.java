package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.BackendFence;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * Ends the backends that a call lost with a transaction open, before its next attempt would wait for their row locks.
 * Thread-safe.
 */
final class Fencing {

    /** A fence may use this share of what remains: where it cannot get through, the attempt itself is worth trying. */
    private static final double SHARE = 0.25;
    private static final Duration LONGEST = Duration.ofSeconds(5);
    private static final Duration BETWEEN_LOOKS = Duration.ofMillis(2);

    private final Settings settings;
    private final BackendFence fence;
    private final ResolverRoad road;
    private final EngineThreads threads;
    /** One at a time, so that of the road's places one is always left to the questions. */
    private final Semaphore turn = new Semaphore(1, true);

    Fencing(Settings settings, ResolverRoad road, EngineThreads threads) {
        this.settings = settings;
        this.fence = settings.fence();
        this.road = road;
        this.threads = threads;
    }

    /** Sees to it that the call's abandoned backends have ended, as far as that can be had soon. */
    void beforeAttempt(Journey journey) {
        if (fence.terminates() && !journey.abandoned().isEmpty()) {
            fence(journey.options().label(), journey.abandoned(), journey.deadline().share(SHARE).within(LONGEST));
        }
    }

    /**
     * The same after the call, for the sake of others, without holding the caller up.
     *
     * @param done run when nothing is left to do, at once or later on another thread
     */
    void afterCall(Journey journey, Runnable done) {
        if (!fence.terminates() || journey.abandoned().isEmpty()) {
            done.run();
            return;
        }
        try {
            threads.workers().execute(() -> {
                try {
                    fence(journey.options().label(), journey.abandoned(), Deadline.after(settings.time(), LONGEST));
                } finally {
                    done.run();
                }
            });
        } catch (RuntimeException | Error noThread) {
            // The call's own end, which may be a committed value, matters more; the server's keepalive ends the backend then.
            done.run();
        }
    }

    private void fence(String label, List<Backend> abandoned, Deadline deadline) {
        try {
            if (!turn.tryAcquire(deadline.remaining().toNanos(), TimeUnit.NANOSECONDS)) {
                return;
            }
            try (ResolverRoad.Stop stop = road.open(deadline, 1)) {
                for (Iterator<Backend> backends = abandoned.iterator(); backends.hasNext();) {
                    fence(label, backends.next(), stop, deadline);
                    backends.remove();
                }
            } finally {
                turn.release();
            }
        } catch (SQLException | RuntimeException unreachable) {
            // The server is away, or hangs: the backends stay on the list for the next time.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void fence(String label, Backend backend, ResolverRoad.Stop stop, Deadline deadline)
            throws SQLException, InterruptedException {
        BackendFence.Result first = fence.fence(stop.connection(), backend);
        settings.events().tell(new TransactionEvent.Fenced(label, backend, first));
        BackendFence.Result now = first;
        while (now == BackendFence.Result.TERMINATED && !deadline.hasPassed()) {
            settings.time().sleep(BETWEEN_LOOKS);
            now = fence.fence(stop.connection(), backend);
        }
    }
}
