package io.github.connecttransactretry.optimistic;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * A row as it was read, with its version. Immutable, but for arrays of bytes in it. Values are of the Java type that holds all
 * of them: {@code timestamptz} is an {@link java.time.OffsetDateTime} in UTC, {@code timestamp} a
 * {@link java.time.LocalDateTime}, {@code date} a {@link java.time.LocalDate}, {@code smallint} and {@code integer} an Integer,
 * {@code uuid} a {@link java.util.UUID}, {@code bytea} a {@code byte[]}; what has no such type (json, arrays, xid, time,
 * interval, infinity) is the server's text, which can be written back as it is.
 */
public final class VersionedRow {

    private final Rows rows;
    private final Object key;
    private final Object version;
    private final Map<String, Object> columns;

    VersionedRow(Rows rows, Object key, Object version, Map<String, Object> columns) {
        this.rows = rows;
        this.key = key;
        this.version = version;
        this.columns = Collections.unmodifiableMap(new LinkedHashMap<>(columns));
    }

    Rows rows() {
        return rows;
    }

    /** The key that it was asked for by: a value, or a {@link java.util.List} of a composite key's. */
    public Object key() {
        return key;
    }

    /** The version, or null if the column is NULL. */
    public Object version() {
        return version;
    }

    /** The columns that were read, by name, without the version; values may be null. */
    public Map<String, Object> columns() {
        return columns;
    }

    /**
     * A column's value, or null.
     *
     * @throws IllegalArgumentException if it was not read; the version is {@link #version()}
     */
    public Object get(String column) {
        if (!columns.containsKey(column)) {
            throw new IllegalArgumentException("no column " + column + " was read; there are " + columns.keySet()
                    + ", and version()");
        }
        return columns.get(column);
    }

    /**
     * A column's value, or null.
     *
     * @param type what it is, as in the description of this class; not null
     * @throws IllegalArgumentException if it was not read, or is of another type
     */
    public <T> T get(String column, Class<T> type) {
        Object value = get(column);
        Objects.requireNonNull(type, "type is null: give the class of the value");
        if (value != null && !type.isInstance(value)) {
            throw new IllegalArgumentException("the column " + column + " was read as " + value.getClass().getSimpleName()
                    + ", not as " + type.getSimpleName());
        }
        return type.cast(value);
    }

    /** Whether another reading of the row shows the same, its version apart. */
    boolean looksLike(VersionedRow other) {
        return columns.keySet().equals(other.columns.keySet())
                && columns.entrySet().stream().allMatch(e -> Objects.deepEquals(e.getValue(), other.columns.get(e.getKey())));
    }

    /** Table, key and version; not the content, which may be nobody's business. */
    @Override
    public String toString() {
        return rows.describe(key) + " at version " + version;
    }
}
