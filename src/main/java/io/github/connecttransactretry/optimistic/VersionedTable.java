package io.github.connecttransactretry.optimistic;

import io.github.connecttransactretry.ground.ServerText;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;

/**
 * A table whose rows carry a version, and the statements that write a row only at the version that the writer has seen. Keys
 * and versions may be of any type that has an equality; names are as in the catalogue, and are quoted. Works in the transaction
 * of whoever calls, commits nothing and keeps nothing. Immutable and thread-safe.
 *
 * <p>A lost race is a {@link StaleVersionException}. It is written again without being asked only if the row, read again, shows
 * what the writer had seen. An error of the server's comes unchanged, 40001 above all: at REPEATABLE READ and SERIALIZABLE it is
 * how a row says that it was changed after the snapshot, and only a new transaction can see the change.
 */
public final class VersionedTable {

    /** Only a row that changes all the time and always back to the same content needs more. */
    private static final int SILENT_WRITES = 5;

    private final Rows rows;

    private VersionedTable(Rows rows) {
        this.rows = rows;
    }

    /** A table that the session's search path finds; a dot in the name is part of the name. */
    public static Named of(String table) {
        return new Named(ServerText.quoted(Names.checked("table", table)));
    }

    /** A table in a schema. */
    public static Named of(String schema, String table) {
        return new Named(ServerText.quoted(Names.checked("schema", schema)) + "." + ServerText.quoted(Names.checked("table", table)));
    }

    /**
     * A table of which the key is not known yet.
     *
     * @param table the quoted name
     */
    public record Named(String table) {

        /** With the columns that tell one row from all others; a row is written only if the key fits it alone. */
        public Keyed key(String column, String... more) {
            return new Keyed(table, Names.checked("key column", column, more));
        }
    }

    /**
     * A table of which the version is not known yet.
     *
     * @param table the quoted name
     * @param keys  the key's columns
     */
    public record Keyed(String table, List<String> keys) {

        /** With a number as the version, which each write raises by one. */
        public VersionedTable version(String column) {
            return version(column, NextVersion.increment());
        }

        /**
         * With a version of any type.
         *
         * @throws IllegalArgumentException if it is a part of the key, or is xmin and not {@link NextVersion#byDatabase()}
         */
        public VersionedTable version(String column, NextVersion next) {
            if (keys.contains(Names.checked("version column", column))) {
                throw new IllegalArgumentException(column + " is a part of the key: a version needs a column of its own");
            }
            Objects.requireNonNull(next, "next is null: say where the next version comes from, such as NextVersion.increment()");
            RowSql sql = new RowSql(table, keys, column, next, List.of());
            if (sql.isSystemVersion() && next.isSet()) {
                throw new IllegalArgumentException("nobody can set xmin: give NextVersion.byDatabase() with it");
            }
            return new VersionedTable(new Rows(sql));
        }
    }

    /**
     * The same table, of which only these columns are read, and the version. What is not read counts as not seen: a change in
     * it alone does not keep a write back.
     */
    public VersionedTable columns(String column, String... more) {
        RowSql sql = rows.sql();
        return new VersionedTable(new Rows(
                new RowSql(sql.table(), sql.keys(), sql.version(), sql.next(), Names.checked("column", column, more))));
    }

    /**
     * The row, without a lock; empty if there is none.
     *
     * @param key a value, or a {@link List} with one for each column of a composite key; no nulls
     * @throws SQLException as the server raised it
     */
    public Optional<VersionedRow> load(Connection connection, Object key) throws SQLException {
        return rows.read(connection, key, false);
    }

    /**
     * Writes a row that was loaded before, in this transaction or in another one.
     *
     * @param seen    the row as the writer knows it, of this table; not null
     * @param changes the columns to set, at least one; not the key, not the version
     * @return the row as it is now, with its new version
     * @throws StaleVersionException if another one wrote it and it looks different now, or it is gone; nothing is written
     * @throws SQLException          as the server raised it
     */
    public VersionedRow update(Connection connection, VersionedRow seen, Map<String, ?> changes) throws SQLException {
        return writeOrStale(connection, requireOwn(seen), rows.written(changes), seen);
    }

    /**
     * Writes a row of which nothing but key and version is known, as from a form or an ETag; either may be given as the text
     * that PostgreSQL prints.
     *
     * @param key     as for {@link #load}
     * @param version null if the row had none
     * @param changes as for {@link #update(Connection, VersionedRow, Map)}
     * @return the row as it is now, with its new version
     * @throws StaleVersionException if the row is not at this version, or is gone; nothing is written
     * @throws SQLException          as the server raised it
     */
    public VersionedRow update(Connection connection, Object key, Object version, Map<String, ?> changes) throws SQLException {
        return writeOrStale(connection, new VersionedRow(rows, key, version, Map.of()), rows.written(changes), null);
    }

    /**
     * Deletes a row that was loaded before.
     *
     * @return the row as it was when it was deleted
     * @throws StaleVersionException if another one wrote it and it looks different now, or it is gone; nothing is deleted
     * @throws SQLException          as the server raised it
     */
    public VersionedRow delete(Connection connection, VersionedRow seen) throws SQLException {
        return writeOrStale(connection, requireOwn(seen), null, seen);
    }

    /**
     * Loads a row, lets the caller work out what to change, and writes it; see
     * {@link #merge(Connection, VersionedRow, RowMerge)}.
     *
     * @throws NoSuchElementException if there is no such row to begin with
     * @throws X                      as the merge threw it
     */
    public <X extends Exception> VersionedRow merge(Connection connection, Object key, RowMerge<X> merge) throws SQLException, X {
        requireTransaction(connection);
        VersionedRow current = load(connection, key).orElseThrow(() -> new NoSuchElementException(
                "there is no " + rows.describe(key) + " to merge with: insert it, or load it to see whether it is there"));
        return merge(connection, current, merge);
    }

    /**
     * Writes what the caller works out from the row that it has seen, and if another writer was faster, once more from the row as
     * it is now. That second reading locks the row, so that nobody can be faster again: there are two merges at most. At
     * REPEATABLE READ and SERIALIZABLE a row that was changed after the snapshot raises 40001 instead, and the merge belongs into the next
     * attempt: call this inside the function that an engine repeats, and nothing else is needed.
     *
     * @param seen  the row as the writer knows it, of this table; not null
     * @param merge not null
     * @return the row as it is now, with its new version; or the row that the merge found nothing to change in
     * @throws StaleVersionException if the row is gone
     * @throws SQLException          as the server raised it
     * @throws X                     as the merge threw it
     */
    public <X extends Exception> VersionedRow merge(Connection connection, VersionedRow seen, RowMerge<X> merge)
            throws SQLException, X {
        requireTransaction(connection);
        Objects.requireNonNull(merge, "merge is null: give the function that works out the changes");
        VersionedRow current = requireOwn(seen);
        Optional<VersionedRow> written = merged(connection, current, merge);
        if (written.isEmpty()) {
            current = locked(connection, current);
            written = merged(connection, current, merge);
        }
        if (written.isEmpty()) {
            throw lost(current, current, load(connection, current.key()));
        }
        return written.get();
    }

    private <X extends Exception> Optional<VersionedRow> merged(Connection connection, VersionedRow current, RowMerge<X> merge)
            throws SQLException, X {
        Map<String, ?> changes = Objects.requireNonNull(merge.changes(current),
                "the merge gave null: give an empty map for nothing to write");
        return changes.isEmpty() ? Optional.of(current) : rows.write(connection, current, rows.written(changes));
    }

    private VersionedRow locked(Connection connection, VersionedRow overtaken) throws SQLException {
        Optional<VersionedRow> now = rows.read(connection, overtaken.key(), true);
        if (now.isEmpty()) {
            // Row security may show a row and not let it be locked.
            throw lost(overtaken, overtaken, load(connection, overtaken.key()));
        }
        return now.get();
    }

    /** Without changes, deletes; without a row that was seen, never goes again by itself. */
    private VersionedRow writeOrStale(Connection connection, VersionedRow wanted, SortedMap<String, ?> changes, VersionedRow seen)
            throws SQLException {
        requireTransaction(connection);
        VersionedRow at = wanted;
        for (int writes = 1; true; writes++) {
            Optional<VersionedRow> written = rows.write(connection, at, changes);
            if (written.isPresent()) {
                return written.get();
            }
            Optional<VersionedRow> now = load(connection, at.key());
            boolean asSeen = now.isPresent() && seen != null && now.get().looksLike(seen);
            if (!asSeen || writes == SILENT_WRITES) {
                throw lost(wanted, at, now);
            }
            at = now.get();
        }
    }

    /** Why nothing was written at the version of {@code at}, although {@code now} is what there is. */
    private RuntimeException lost(VersionedRow wanted, VersionedRow at, Optional<VersionedRow> now) {
        if (now.isPresent() && Versions.same(at.version(), now.get().version())) {
            return new IllegalStateException(rows.describe(at.key()) + " is at version " + at.version() + ", as expected, and was"
                    + " still not written: a trigger, a rule or row security keeps it back");
        }
        return new StaleVersionException(rows, at.key(), wanted.version(), now.orElse(null));
    }

    private VersionedRow requireOwn(VersionedRow seen) {
        Objects.requireNonNull(seen, "the row is null: give one that was loaded");
        if (!seen.rows().sql().hasTheRowsOf(rows.sql())) {
            throw new IllegalArgumentException(seen + " was loaded by another table, key or version than " + this);
        }
        return seen;
    }

    private static void requireTransaction(Connection connection) throws SQLException {
        Objects.requireNonNull(connection, "connection is null: give the transaction's, such as tx.connection()");
        if (connection.getAutoCommit()) {
            throw new IllegalStateException("the connection is in autocommit, where a write cannot be taken back and a lock does"
                    + " not last: call setAutoCommit(false), or let an engine run it");
        }
    }

    /** The quoted name, with its schema if one was given. */
    @Override
    public String toString() {
        return rows.toString();
    }
}
