package io.github.connecttransactretry;

import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionListener;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;

/**
 * The events of a call in order, with what a test notes down among them. It can act once on the first event of a kind, on
 * the thread where that happens; {@link #requireActed()} fails if an act failed or was never called for. Thread-safe.
 */
final class Chronicle implements TransactionListener {

    private final List<Object> entries = new CopyOnWriteArrayList<>();
    private final List<Turn<?>> turns = new CopyOnWriteArrayList<>();

    /** What is done on an event. */
    interface Act<E> {
        void on(E event) throws Exception;
    }

    private static final class Turn<E> {
        private final Class<E> kind;
        private final Predicate<E> which;
        private final Act<E> act;
        private boolean taken;
        private Throwable failure;

        Turn(Class<E> kind, Predicate<E> which, Act<E> act) {
            this.kind = kind;
            this.which = which;
            this.act = act;
        }

        void offer(TransactionEvent event) {
            synchronized (this) {
                if (taken || !kind.isInstance(event) || !which.test(kind.cast(event))) {
                    return;
                }
                taken = true;
            }
            try {
                act.on(kind.cast(event));
            } catch (Throwable thrown) {
                // The engine ignores what a listener throws; the test must not.
                failure = thrown;
            }
        }
    }

    <E extends TransactionEvent> Chronicle onFirst(Class<E> kind, Act<E> act) {
        return onFirst(kind, event -> true, act);
    }

    <E extends TransactionEvent> Chronicle onFirst(Class<E> kind, Predicate<E> which, Act<E> act) {
        turns.add(new Turn<>(kind, which, act));
        return this;
    }

    @Override
    public void on(TransactionEvent event) {
        entries.add(event);
        turns.forEach(turn -> turn.offer(event));
    }

    /** Writes a word of the test's own among the events. */
    void note(String word) {
        entries.add(word);
    }

    <E> List<E> all(Class<E> kind) {
        return entries.stream().filter(kind::isInstance).map(kind::cast).toList();
    }

    /** The one event of its kind. */
    <E> E only(Class<E> kind) {
        List<E> found = all(kind);
        if (found.size() != 1) {
            throw new AssertionError(found.size() + " of " + kind.getSimpleName() + " in " + entries);
        }
        return found.get(0);
    }

    /** The names of events of these kinds, and the notes, in order. */
    List<String> order(Class<?>... kinds) {
        List<String> order = new ArrayList<>();
        for (Object entry : entries) {
            if (entry instanceof String note) {
                order.add(note);
            } else if (List.of(kinds).contains(entry.getClass())) {
                order.add(entry.getClass().getSimpleName());
            }
        }
        return order;
    }

    void requireActed() {
        for (Turn<?> turn : turns) {
            if (turn.failure != null) {
                throw new AssertionError("what was to happen on " + turn.kind.getSimpleName() + " failed", turn.failure);
            }
            if (!turn.taken) {
                throw new AssertionError("no " + turn.kind.getSimpleName() + " came to act on, but " + entries);
            }
        }
    }

    @Override
    public String toString() {
        return entries.toString();
    }
}
