package io.github.connecttransactretry.optimistic;

import static io.github.connecttransactretry.ground.ServerText.quoted;

import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The statements on one table's rows. The table goes by the alias t in all of them.
 *
 * @param table   quoted, with its schema if there is one
 * @param keys    the key's columns
 * @param version the version's column
 * @param next    where the next version comes from
 * @param columns those that are read, or none for all
 */
record RowSql(String table, List<String> keys, String version, NextVersion next, List<String> columns) {

    /** System columns are no part of {@code t.*}, and are nobody's to set. */
    boolean isSystemVersion() {
        return version.equals("xmin");
    }

    /** Whether both mean the same rows and the same versions, whatever else they read. */
    boolean hasTheRowsOf(RowSql other) {
        return table.equals(other.table) && keys.equals(other.keys) && version.equals(other.version);
    }

    String select(boolean locked) {
        return "SELECT " + read() + " FROM " + table + " AS t WHERE " + keyMatches() + (locked ? " FOR NO KEY UPDATE OF t" : "");
    }

    /** Two texts rather than IS NOT DISTINCT FROM, which no index serves. */
    String update(Collection<String> changed, boolean expectsNull) {
        String set = changed.stream().map(column -> quoted(column) + " = ?").collect(Collectors.joining(", "));
        String nextVersion = next.isSet() ? ", " + quoted(version) + " = " + next.assigned(of(version)) : "";
        return "UPDATE " + table + " AS t SET " + set + nextVersion + " WHERE " + matches(expectsNull) + " RETURNING " + read();
    }

    String delete(boolean expectsNull) {
        return "DELETE FROM " + table + " AS t WHERE " + matches(expectsNull) + " RETURNING " + read();
    }

    private String matches(boolean expectsNull) {
        return keyMatches() + " AND " + of(version) + (expectsNull ? " IS NULL" : " = ?");
    }

    private String keyMatches() {
        return keys.stream().map(key -> of(key) + " = ?").collect(Collectors.joining(" AND "));
    }

    private String read() {
        String rest = columns.isEmpty() ? "t.*" : columns.stream().map(RowSql::of).collect(Collectors.joining(", "));
        return of(version) + ", " + rest;
    }

    private static String of(String column) {
        return "t." + quoted(column);
    }
}
