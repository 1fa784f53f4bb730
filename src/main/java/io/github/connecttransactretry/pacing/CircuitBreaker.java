package io.github.connecttransactretry.pacing;

import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.ground.TimeSource;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * Keeps callers from a server that is away. Closed, all may connect. After so many connects in a row that failed for want of a
 * server it opens: nobody connects until a pause is over, then one is let through as a probe (half-open). If the probe
 * reaches the server it closes, else it pauses again. Those who come meanwhile are rejected, or wait within their deadline and
 * then go on together, spread over a few milliseconds. A saturated pool, a conflict and an error of the function say nothing
 * about the server and open nothing. Questions about a COMMIT in doubt never come by here.
 *
 * <p>Given to one engine or to several that use the same server. Thread-safe.
 */
public final class CircuitBreaker {

    /** Whether callers may connect. */
    public enum State {
        /** All may. */
        CLOSED,
        /** Nobody may, until the pause is over. */
        OPEN,
        /** One does, to find out. */
        HALF_OPEN
    }

    /**
     * What it is set to. Immutable.
     *
     * @param outages        how many connects in a row open it; at least 1
     * @param pause          from its opening to the first probe, and between probes; not null
     * @param waits          whether callers wait while it is open, rather than being rejected
     * @param spread         those who have waited go on within this time, each at a moment of its own; not negative
     * @param longestConnect a connect that got no answer for so long is an outage, and a probe that takes longer makes room
     *                       for the next one; positive. Behind a pool that lends connections
     *                       it is the pool that has to tell
     */
    public record Settings(int outages, Backoff pause, boolean waits, Duration spread, Duration longestConnect) {

        /** Checks the bounds. */
        public Settings {
            Objects.requireNonNull(pause, "pause is null: give a Backoff");
            if (outages < 1) {
                throw new IllegalArgumentException("outages is " + outages + ": give 1 or more");
            }
            if (Objects.requireNonNull(spread, "spread is null: give a Duration").isNegative()) {
                throw new IllegalArgumentException("spread is " + spread + ": give zero or more");
            }
            if (Objects.requireNonNull(longestConnect, "longestConnect is null: give a Duration").compareTo(Duration.ZERO) <= 0) {
                throw new IllegalArgumentException("longestConnect is " + longestConnect + ": give a positive duration");
            }
        }

        /** Five outages in a row; 50 to 100 ms to the first probe and up to 2 s between them; a connect may take 3 s. */
        public static Settings defaults() {
            return new Settings(5, Backoff.exponential(Duration.ofMillis(100), Duration.ofSeconds(2)).withEqualJitter(), false,
                    Duration.ofMillis(20), Duration.ofSeconds(3));
        }
    }

    /**
     * A change of state.
     *
     * @param from not null
     * @param to   not null
     */
    public record Change(State from, State to) {
    }

    /**
     * What has come by.
     *
     * @param opened   how often it opened, probes that failed not counted
     * @param probes   how many probes were let through
     * @param rejected callers that were rejected
     * @param waited   callers that had to wait
     * @param waiting  callers that wait now
     */
    public record Counts(long opened, long probes, long rejected, long waited, int waiting) {
    }

    private final Settings settings;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private State state = State.CLOSED;
    private int outages;
    private int pauses;
    private Duration lastPause = Duration.ZERO;
    private long untilNanos;
    private long probe;
    /** How often it closed. What a passage from before says of the server is out of date. */
    private long closings;
    private long opened;
    private long probes;
    private long rejected;
    private long waited;
    private int waiting;

    private CircuitBreaker(Settings settings) {
        this.settings = Objects.requireNonNull(settings, "settings");
    }

    /** A closed one with the default settings, which rejects while it is open. */
    public static CircuitBreaker rejecting() {
        return of(Settings.defaults());
    }

    /** A closed one with the default settings, whose callers wait while it is open. */
    public static CircuitBreaker waiting() {
        Settings usual = Settings.defaults();
        return of(new Settings(usual.outages(), usual.pause(), true, usual.spread(), usual.longestConnect()));
    }

    /**
     * A closed one.
     *
     * @param settings not null
     */
    public static CircuitBreaker of(Settings settings) {
        return new CircuitBreaker(settings);
    }

    /** Whether callers may connect now. */
    public State state() {
        lock.lock();
        try {
            return state;
        } finally {
            lock.unlock();
        }
    }

    /** Whether callers wait here now, so that they need no delay of their own before they come. */
    public boolean holdsBack() {
        return settings.waits() && state() != State.CLOSED;
    }

    /** For how long a connect may be without an answer before that is an outage; positive. */
    public Duration longestConnect() {
        return settings.longestConnect();
    }

    /** What has come by up to now. */
    public Counts counts() {
        lock.lock();
        try {
            return new Counts(opened, probes, rejected, waited, waiting);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Asks to connect. What is let through has to say by {@link Passage} how it went.
     *
     * @param time     the clock, sleep and chance; the same clock at each call, not null
     * @param deadline how long the caller can wait; not null
     * @return the way through; empty if the caller is rejected, or its deadline is over
     * @throws InterruptedException if the thread is interrupted while it waits
     */
    public Optional<Passage> enter(TimeSource time, Deadline deadline) throws InterruptedException {
        boolean hasWaited = false;
        while (true) {
            boolean together = false;
            lock.lock();
            try {
                while (state != State.CLOSED) {
                    if (mayProbe(time.nanoTime())) {
                        return Optional.of(probe(time));
                    }
                    if (!settings.waits() || deadline.hasPassed()) {
                        rejected++;
                        return Optional.empty();
                    }
                    waited += hasWaited ? 0 : 1;
                    hasWaited = true;
                    together = true;
                    await(time, deadline);
                }
                if (!together) {
                    return Optional.of(new Passage(time, 0, null));
                }
            } finally {
                lock.unlock();
            }
            // It may open again meanwhile: once more from the start.
            sleepAMoment(time, deadline);
        }
    }

    private void sleepAMoment(TimeSource time, Deadline deadline) throws InterruptedException {
        Duration moment = Duration.ofNanos((long) (settings.spread().toNanos() * time.random()));
        Duration left = deadline.remaining();
        time.sleep(moment.compareTo(left) < 0 ? moment : left);
    }

    private Passage probe(TimeSource time) {
        Change change = become(State.HALF_OPEN);
        probes++;
        untilNanos = time.nanoTime() + settings.longestConnect().toNanos();
        return new Passage(time, ++probe, change);
    }

    /** The pause is over, or the probe has been silent for too long. */
    private boolean mayProbe(long now) {
        return now - untilNanos >= 0;
    }

    private void await(TimeSource time, Deadline deadline) throws InterruptedException {
        waiting++;
        try {
            long left = Math.min(untilNanos - time.nanoTime(), deadline.remaining().toNanos());
            changed.await(Math.max(1, left), TimeUnit.NANOSECONDS);
        } finally {
            waiting--;
        }
    }

    private Change become(State next) {
        Change change = new Change(state, next);
        state = next;
        changed.signalAll();
        return change;
    }

    private Change close() {
        closings++;
        outages = 0;
        pauses = 0;
        lastPause = Duration.ZERO;
        return become(State.CLOSED);
    }

    private Change open(TimeSource time, boolean soon) {
        if (!soon) {
            lastPause = settings.pause().delay(++pauses, lastPause, time::random);
        }
        untilNanos = time.nanoTime() + (soon ? 0 : lastPause.toNanos());
        return become(State.OPEN);
    }

    /** One who was let through: says once how it went, and hears what that changed. For one thread. */
    public final class Passage {

        private final TimeSource time;
        private final long number;
        private final Change change;
        private final long begun = closings;
        private boolean said;

        private Passage(TimeSource time, long number, Change change) {
            this.time = time;
            this.number = number;
            this.change = change;
        }

        /** Whether this is the probe, whose connection must be a proof. */
        public boolean isProbe() {
            return number > 0;
        }

        /** What letting it through has changed, if anything. */
        public Optional<Change> change() {
            return Optional.ofNullable(change);
        }

        /** The server was reached, whatever it said. */
        public Optional<Change> reached() {
            return say(() -> {
                outages = 0;
                return state == State.CLOSED ? null : close();
            });
        }

        /**
         * A connection from before was good for a transaction: outages before it are no longer in a row. It closes nothing,
         * since it does not say that one can connect.
         */
        public void served() {
            say(() -> {
                outages = state == State.CLOSED ? 0 : outages;
                return null;
            });
        }

        /** There was no server to be reached. */
        public Optional<Change> outage() {
            return say(() -> {
                if (isProbe()) {
                    return isCurrent() ? open(time, false) : null;
                }
                if (state == State.CLOSED && begun == closings && ++outages >= settings.outages()) {
                    opened++;
                    return open(time, false);
                }
                return null;
            });
        }

        /** It ended without a word on the server, such as for want of a free connection: another one probes. */
        public Optional<Change> neither() {
            return say(() -> isProbe() && isCurrent() ? open(time, true) : null);
        }

        private boolean isCurrent() {
            return state == State.HALF_OPEN && number == probe;
        }

        private Optional<Change> say(Supplier<Change> word) {
            lock.lock();
            try {
                if (said) {
                    return Optional.empty();
                }
                said = true;
                return Optional.ofNullable(word.get());
            } finally {
                lock.unlock();
            }
        }
    }

    /** Its state and settings. */
    @Override
    public String toString() {
        return state() + ", " + settings;
    }
}
