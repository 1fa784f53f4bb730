package io.github.connecttransactretry.optimistic;

import io.github.connecttransactretry.ground.StaleVersion;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.Optional;

/**
 * A row was not written because it is no longer at the version that the writer had seen, or is gone. Not transient: the same
 * write would fail for ever, or undo another's work. An engine hands it on unchanged. Either show both versions to whoever
 * wanted the write, or write by {@link VersionedTable#merge}. Immutable. Its accessors give nothing after serialization; the
 * message stays.
 *
 * <p>At REPEATABLE READ and SERIALIZABLE {@link #actual()} is the version in the transaction's snapshot. A row that was changed
 * after the snapshot does not end in this exception but in 40001, and in this one in the next attempt, which has a new
 * snapshot.
 */
public final class StaleVersionException extends RuntimeException implements StaleVersion {

    private static final long serialVersionUID = 1;

    private final transient String table;
    private final transient Object key;
    private final transient Object expected;
    private final transient VersionedRow current;

    StaleVersionException(Rows rows, Object key, Object expected, VersionedRow current) {
        super(message(rows.describe(key), expected, current));
        this.table = rows.toString();
        this.key = key;
        this.expected = expected;
        this.current = current;
    }

    private static String message(String row, Object expected, VersionedRow current) {
        if (current == null) {
            return row + " was expected at version " + expected + " and is gone: deleted, its key changed, or hidden"
                    + " from this role";
        }
        return row + " was expected at version " + expected + " and is at " + current.version()
                + distance(expected, current.version())
                + ": show both, or write through VersionedTable.merge";
    }

    private static String distance(Object expected, Object actual) {
        BigDecimal steps = Versions.difference(expected, actual);
        if (steps != null) {
            return " (gap " + steps.toPlainString() + ")";
        }
        Duration apart = Versions.apart(expected, actual);
        if (apart == null) {
            return "";
        }
        return " (gap " + apart + (Versions.isCutToMillis(expected, apart)
                ? "; was the expected one cut to milliseconds on its way? PostgreSQL keeps microseconds)" : ")");
    }

    /** The table's quoted name, with its schema if one was given. */
    @Override
    public String table() {
        return table;
    }

    /** The row's key as the caller gave it: a value, or a {@link java.util.List} of a composite key's. */
    public Object key() {
        return key;
    }

    /** The version that the writer had seen, in the type that it was given in; null if the row had none. */
    @Override
    public Object expected() {
        return expected;
    }

    /** The version that the row is at, or null if the row is gone (see {@link #isGone()}) or its version is NULL. */
    @Override
    public Object actual() {
        return current == null ? null : current.version();
    }

    /** Whether there is no such row any more, for this role. */
    public boolean isGone() {
        return current == null;
    }

    /** The row as it is, to show or to merge with; empty if it is gone. */
    public Optional<VersionedRow> current() {
        return Optional.ofNullable(current);
    }

    /** The actual version less the expected one; empty unless both are numbers (or one is a number's text). */
    @Override
    public Optional<BigDecimal> gap() {
        return Optional.ofNullable(Versions.difference(expected, actual()));
    }

    /** The time from the expected version to the actual one; empty unless both are timestamps of the same kind. */
    @Override
    public Optional<Duration> timeGap() {
        return Optional.ofNullable(Versions.apart(expected, actual()));
    }
}
