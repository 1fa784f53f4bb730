package io.github.connecttransactretry.optimistic;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * One table's rows, read and written one at a time, with all that is asked for checked before anything is sent.
 *
 * @param sql the statements
 */
record Rows(RowSql sql) {

    Optional<VersionedRow> read(Connection connection, Object key, boolean locked) throws SQLException {
        return query(connection, sql.select(locked), keyValues(key), key);
    }

    private Optional<VersionedRow> query(Connection connection, String text, List<Object> parameters, Object key)
            throws SQLException {
        Objects.requireNonNull(connection, "connection is null: give the transaction's, such as tx.connection()");
        try (PreparedStatement statement = connection.prepareStatement(text)) {
            for (int i = 0; i < parameters.size(); i++) {
                ColumnValues.bind(statement, i + 1, parameters.get(i));
            }
            try (ResultSet found = statement.executeQuery()) {
                if (!found.next()) {
                    return Optional.empty();
                }
                VersionedRow row = row(found, key);
                if (found.next()) {
                    throw new IllegalStateException("there is more than one " + describe(key) + ": the key " + sql.keys()
                            + " has to tell one row from all others; roll back");
                }
                return Optional.of(row);
            }
        }
    }

    private VersionedRow row(ResultSet found, Object key) throws SQLException {
        ResultSetMetaData metadata = found.getMetaData();
        Map<String, Object> columns = new LinkedHashMap<>();
        for (int i = 2; i <= metadata.getColumnCount(); i++) {
            String name = metadata.getColumnLabel(i);
            if (!name.equals(sql.version())) {
                columns.put(name, ColumnValues.read(found, i));
            }
        }
        return new VersionedRow(this, key, ColumnValues.read(found, 1), columns);
    }

    /** Empty if no row has this key and version; without changes, deletes. */
    Optional<VersionedRow> write(Connection connection, VersionedRow at, SortedMap<String, ?> changes) throws SQLException {
        boolean expectsNull = at.version() == null;
        List<Object> parameters = new ArrayList<>();
        if (changes != null) {
            parameters.addAll(changes.values());
            if (sql.next().isParameter()) {
                parameters.add(sql.next().value());
            }
        }
        parameters.addAll(keyValues(at.key()));
        if (!expectsNull) {
            parameters.add(at.version());
        }
        String statement = changes == null ? sql.delete(expectsNull) : sql.update(changes.keySet(), expectsNull);
        Optional<VersionedRow> written = query(connection, statement, parameters, at.key());
        if (changes != null && written.isPresent()) {
            requireMoved(at, written.get());
        }
        return written;
    }

    /** Only xmin may stand still, in a row that this very transaction wrote before: nobody else has seen it in between. */
    private void requireMoved(VersionedRow before, VersionedRow after) {
        if (!sql.isSystemVersion() && Versions.same(before.version(), after.version())) {
            throw new IllegalStateException(describe(before.key()) + " was written and is still at version " + before.version()
                    + ": others could not see that it changed; is a trigger missing, does it take now(), or is the column too"
                    + " coarse?");
        }
    }

    SortedMap<String, ?> written(Map<String, ?> changes) {
        Objects.requireNonNull(changes, "changes is null: give the columns to set, by name");
        if (changes.isEmpty()) {
            throw new IllegalArgumentException("no column is to be set in " + this + ": give at least one");
        }
        // Sorted, so that the same changes are the same SQL text, and the driver has it prepared.
        SortedMap<String, Object> sorted = new TreeMap<>();
        for (Map.Entry<String, ?> change : changes.entrySet()) {
            String column = Names.checked("column to set", change.getKey());
            if (column.equals(sql.version())) {
                throw new IllegalArgumentException(column + " is the version, which is not set by hand: see NextVersion");
            }
            if (sql.keys().contains(column)) {
                throw new IllegalArgumentException(column + " is a part of the key, by which the row is found: insert another"
                        + " row");
            }
            sorted.put(column, change.getValue());
        }
        return sorted;
    }

    List<Object> keyValues(Object key) {
        Objects.requireNonNull(key, () -> "the key of " + this + " is null: give the value of " + sql.keys());
        List<Object> values = new ArrayList<>();
        if (key instanceof List<?> parts) {
            values.addAll(parts);
        } else {
            values.add(key);
        }
        if (values.size() != sql.keys().size()) {
            throw new IllegalArgumentException("the key of " + this + " is " + sql.keys() + ", and " + values.size()
                    + " values were given: give a List with one for each column");
        }
        int missing = values.indexOf(null);
        if (missing >= 0) {
            throw new IllegalArgumentException("the key of " + this + " has no value for " + sql.keys().get(missing)
                    + ": no row is equal to NULL");
        }
        return values;
    }

    /** The row with this key, in words. */
    String describe(Object key) {
        List<?> values = key instanceof List<?> parts ? parts : List.of(key);
        StringBuilder text = new StringBuilder(sql.table()).append(" row (");
        for (int i = 0; i < sql.keys().size(); i++) {
            text.append(i == 0 ? "" : ", ").append(sql.keys().get(i)).append(" = ").append(values.get(i));
        }
        return text.append(')').toString();
    }

    /** The quoted name, with its schema if one was given. */
    @Override
    public String toString() {
        return sql.table();
    }
}
