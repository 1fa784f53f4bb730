package io.github.connecttransactretry.observe;

import io.github.connecttransactretry.ground.StaleVersion;
import java.util.Objects;

/**
 * Counts the conflicts of an engine, or of several: which calls lost, on which table, by which constraint and SQLSTATE, to whom
 * where that is known, at which versions; and how many attempts the calls took. Give it to the builder as a listener, and print
 * {@link #figures()} whenever you like. Thread-safe; a call without conflicts costs a few additions. Bounded in memory: what
 * comes after the first so many lines is counted in one line of others.
 *
 * <p>What it cannot know: whom a call lost to by 40001, since PostgreSQL does not say; see {@link Conflict}. Calls that go
 * past this engine have no label.
 */
public final class ConflictReport implements TransactionListener {

    private static final int MOST_LINES = 500;
    private static final int MOST_CALLS = 200;

    private final int mostLines;
    private final int mostCalls;
    private volatile ConflictTables tables;

    /** With room for {@value #MOST_LINES} kinds of conflicts and {@value #MOST_CALLS} labels. */
    public ConflictReport() {
        this(MOST_LINES, MOST_CALLS);
    }

    /**
     * With room for so much.
     *
     * @param mostLines how many combinations of label, relation, constraint and SQLSTATE are told apart, at least 1
     * @param mostCalls how many labels are told apart, at least 1
     * @throws IllegalArgumentException if one is less than 1
     */
    public ConflictReport(int mostLines, int mostCalls) {
        if (mostLines < 1 || mostCalls < 1) {
            throw new IllegalArgumentException("a report of " + mostLines + " lines and " + mostCalls
                    + " calls has room for nothing: give at least 1 of each");
        }
        this.mostLines = mostLines;
        this.mostCalls = mostCalls;
        reset();
    }

    @Override
    public void on(TransactionEvent event) {
        ConflictTables current = tables;
        if (event instanceof TransactionEvent.AttemptFailed failed) {
            if (failed.failure().conflict() != null) {
                current.conflict(failed.label(), failed.failure());
            }
        } else if (event instanceof TransactionEvent.RetryScheduled retried) {
            if (retried.failure().conflict() != null) {
                current.retried(retried.label(), retried.failure());
            }
        } else if (event instanceof TransactionEvent.CallSucceeded done) {
            current.call(done.label()).succeeded(done.attempts());
        } else if (event instanceof TransactionEvent.CallFailed given) {
            current.call(given.label()).failed();
        }
    }

    /**
     * Counts a stale version that no engine sees, because a function has dealt with it itself.
     *
     * @param label of the call, not null
     * @param stale not null
     */
    public void staleVersion(String label, StaleVersion stale) {
        Objects.requireNonNull(label, "label is null: give the empty text for none");
        Objects.requireNonNull(stale, "stale is null: give the exception that says so");
        tables.conflict(label, null, Conflict.of(stale));
    }

    /** What was counted so far. Taken while calls go on, a line may be ahead of another by a call. */
    public ConflictFigures figures() {
        return tables.figures();
    }

    /** Begins anew. What is just being counted may be lost. */
    public void reset() {
        tables = new ConflictTables(mostLines, mostCalls);
    }

    /** The figures as a table. */
    @Override
    public String toString() {
        return figures().toString();
    }
}
