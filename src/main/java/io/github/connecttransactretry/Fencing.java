package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.Backend;
import io.github.connecttransactretry.outcome.BackendFence;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;

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

    Fencing(Settings settings, ResolverRoad road, EngineThreads threads) {
        this.settings = settings;
        this.fence = new BackendFence(settings.fencing());
        this.road = road;
        this.threads = threads;
    }

    /** Sees to it that the call's abandoned backends have ended, as far as that can be had soon. */
    void beforeAttempt(Journey journey) {
        if (settings.fencing() && !journey.abandoned().isEmpty()) {
            fence(journey.options().label(), journey.abandoned(), journey.deadline().share(SHARE).within(LONGEST));
        }
    }

    /**
     * The same after the call, for the sake of others, without holding the caller up.
     *
     * @param done run when nothing is left to do, at once or later on another thread
     */
    void afterCall(Journey journey, Runnable done) {
        if (!settings.fencing() || journey.abandoned().isEmpty()) {
            done.run();
            return;
        }
        threads.workers().execute(() -> {
            try {
                fence(journey.options().label(), journey.abandoned(), Deadline.after(settings.time(), LONGEST));
            } finally {
                done.run();
            }
        });
    }

    private void fence(String label, List<Backend> abandoned, Deadline deadline) {
        try (ResolverRoad.Stop stop = road.open(deadline)) {
            for (Iterator<Backend> backends = abandoned.iterator(); backends.hasNext();) {
                fence(label, backends.next(), stop, deadline);
                backends.remove();
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
