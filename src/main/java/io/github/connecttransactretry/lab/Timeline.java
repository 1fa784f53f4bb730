package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.lab.FaultDoer.Ending;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The faults of a scenario as it is played: begins each at its moment, and ends it. A fault that still lasts is not begun
 * again, and of the server faults there is one at a time. Safe from any thread.
 */
final class Timeline implements AutoCloseable {

    /** A server fault may include a base backup's worth of waiting on a busy machine. */
    private static final Duration LONGEST_END = Duration.ofSeconds(60);
    private static final long LATER_MILLIS = 20;

    private final FaultDoer doer;
    private final List<Line> lines = new ArrayList<>();
    private final AtomicBoolean serverBusy = new AtomicBoolean();
    private final AtomicReference<Exception> broken = new AtomicReference<>();
    private final List<Ending> openings = new ArrayList<>();
    private final ScheduledExecutorService clock;

    Timeline(List<PlannedFault> faults, FaultDoer doer) {
        this.doer = doer;
        faults.forEach(fault -> lines.add(new Line(fault)));
        this.clock = Executors.newScheduledThreadPool(4, task -> {
            Thread thread = new Thread(task, "lab-timeline");
            thread.setDaemon(true);
            return thread;
        });
    }

    /** A planned fault and how far it is. */
    private final class Line {

        private final PlannedFault plan;
        private boolean lasting;
        private int begun;
        private int done;

        Line(PlannedFault plan) {
            this.plan = plan;
        }

        private synchronized boolean take() {
            boolean free = !lasting && begun < plan.times()
                    && (plan.what() instanceof Fault.Toxic || serverBusy.compareAndSet(false, true));
            if (free) {
                lasting = true;
                begun++;
            }
            return free;
        }

        private synchronized void over(boolean hit) {
            lasting = false;
            if (hit) {
                done++;
            } else {
                begun--;
            }
            if (plan.what() instanceof Fault.Server) {
                serverBusy.set(false);
            }
        }

        synchronized boolean isOver() {
            return !lasting && (begun >= plan.times() || !plan.isByTheClock());
        }

        synchronized int done() {
            return done;
        }

        /** Begins it if it is free to begin, and sees to its end; whether it began. */
        boolean play() {
            if (!take()) {
                return false;
            }
            Ending ending = begin();
            if (ending == null) {
                over(false);
                return false;
            }
            later(plan.lasts(), () -> end(ending));
            return true;
        }

        /** All of it on this thread. */
        void playThrough(Pause pause) throws InterruptedException {
            if (take()) {
                Ending ending = begin();
                pause.wait(plan.lasts());
                if (ending == null) {
                    over(false);
                } else {
                    end(ending);
                }
            }
        }

        private Ending begin() {
            try {
                return doer.begin(plan.what());
            } catch (IOException | SQLException | RuntimeException failed) {
                broken.compareAndSet(null, failed);
                return null;
            }
        }

        private void end(Ending ending) {
            try {
                ending.end();
            } catch (IOException | SQLException | RuntimeException failed) {
                broken.compareAndSet(null, failed);
            }
            over(true);
            if (plan.isByTheClock()) {
                again(plan.pause());
            }
        }

        private void again(Duration after) {
            if (!isOver()) {
                later(after, () -> {
                    if (!play()) {
                        again(Duration.ofMillis(LATER_MILLIS));
                    }
                });
            }
        }
    }

    /** How a thread waits. */
    interface Pause {

        void wait(Duration duration) throws InterruptedException;
    }

    private void later(Duration after, Runnable task) {
        try {
            clock.schedule(() -> {
                try {
                    task.run();
                } catch (RuntimeException failed) {
                    broken.compareAndSet(null, failed);
                }
            }, after.toMillis(), TimeUnit.MILLISECONDS);
        } catch (RejectedExecutionException closed) {
            // The scenario is over.
        }
    }

    /** Before the first connection is opened: what begins now stays. */
    void opening() throws IOException, SQLException {
        for (Line line : lines) {
            if (line.plan.moment().point() == Moment.Point.OPENING) {
                Ending ending = doer.begin(line.plan.what());
                line.over(true);
                openings.add(ending);
            }
        }
    }

    /** The work begins. */
    void begin() {
        lines.stream().filter(line -> line.plan.isByTheClock()).forEach(line -> line.again(line.plan.moment().after()));
    }

    /** A call's first attempt is at this point; what has to happen there has begun when this returns. */
    void reached(Moment.Point point, int call) {
        for (Line line : lines) {
            if (line.plan.moment().isAt(point, call)) {
                if (line.plan.moment().after().isZero()) {
                    line.play();
                } else {
                    later(line.plan.moment().after(), line::play);
                }
            }
        }
    }

    /** Whether something is to happen before this call while no call is under way. */
    boolean wantsIdle(int call) {
        return lines.stream().anyMatch(line -> line.plan.moment().isAt(Moment.Point.IDLE, call));
    }

    /** Does that, from beginning to end. */
    void idle(int call, Pause pause) throws InterruptedException {
        for (Line line : lines) {
            if (line.plan.moment().isAt(Moment.Point.IDLE, call)) {
                line.playThrough(pause);
            }
        }
    }

    /** Whether a fault could not be done, so that no more follow. */
    boolean isBroken() {
        return broken.get() != null;
    }

    /** Whether nothing more happens by itself. */
    boolean isOver() {
        return isBroken() || lines.stream().allMatch(Line::isOver);
    }

    /** How often each fault was done, in the file's order. */
    Map<String, Integer> done() {
        Map<String, Integer> done = new LinkedHashMap<>();
        lines.forEach(line -> done.merge(line.plan.what().withDirection(), line.done(), Integer::sum));
        return done;
    }

    /** Takes away what has been there since the opening: the work is over, and the clients have gone. */
    void closing() throws IOException, SQLException {
        for (Ending ending : openings) {
            ending.end();
        }
        openings.clear();
    }

    /** Begins and ends nothing more, not even what lasts: the stage may be closed. */
    @Override
    public void close() {
        clock.shutdownNow();
        boolean interrupted = Thread.interrupted();
        try {
            clock.awaitTermination(LONGEST_END.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException again) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Lets all other faults end.
     *
     * @throws IllegalStateException if one could not be done, or does not end
     */
    void awaitEnd() {
        Await.until("the faults to end", LONGEST_END, () -> broken.get() != null
                || lines.stream().noneMatch(line -> {
                    synchronized (line) {
                        return line.lasting;
                    }
                }));
        if (broken.get() != null) {
            throw new IllegalStateException("a fault could not be done", broken.get());
        }
    }
}
