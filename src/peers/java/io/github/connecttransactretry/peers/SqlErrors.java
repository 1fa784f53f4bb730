package io.github.connecttransactretry.peers;

import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** What users of the peers look for in an exception and its causes. */
final class SqlErrors {

    private static final Set<String> CONFLICTS = Set.of("40001", "40P01");

    // As HikariCP, npgsql and the AWS JDBC wrapper have it: class 08, and what a server says that shuts down or starts.
    private static final Set<String> SHUTDOWNS = Set.of("57P01", "57P02", "57P03");

    private SqlErrors() {
    }

    /** Whether the transaction lost against another one. */
    static boolean isConflict(Throwable thrown) {
        return any(thrown, e -> CONFLICTS.contains(state(e)));
    }

    /** Whether the connection was lost, or none was to be had. */
    static boolean isLost(Throwable thrown) {
        return any(thrown, e -> state(e).startsWith("08") || SHUTDOWNS.contains(state(e))
                || e instanceof SQLTransientConnectionException);
    }

    /** The innermost SQLException's type and SQLSTATE, for a count of reasons. */
    static String reason(Throwable thrown) {
        Throwable inner = Stream.iterate(thrown, Objects::nonNull, Throwable::getCause).reduce(thrown, (outer, next) ->
                next instanceof SQLException ? next : outer);
        return inner.getClass().getSimpleName() + (inner instanceof SQLException sql ? " " + state(sql) : "");
    }

    private static String state(SQLException e) {
        return Objects.requireNonNullElse(e.getSQLState(), "");
    }

    private static boolean any(Throwable thrown, Predicate<SQLException> kind) {
        return Stream.iterate(thrown, Objects::nonNull, Throwable::getCause)
                .anyMatch(e -> e instanceof SQLException sql && kind.test(sql));
    }
}
