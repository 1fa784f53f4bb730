package io.github.connecttransactretry.optimistic;

import java.util.Objects;
import java.util.function.Supplier;

/**
 * Where the version comes from that a row gets when it is written. It must differ from the one before, which is checked, and
 * from all that came before that, which is not. Immutable; thread-safe if its supplier is.
 */
public final class NextVersion {

    private final String expression;
    private final Supplier<?> supplier;

    private NextVersion(String expression, Supplier<?> supplier) {
        this.expression = expression;
        this.supplier = supplier;
    }

    /** One more than before, for a column of any whole or decimal number; NULL counts as 0. */
    public static NextVersion increment() {
        return new NextVersion("COALESCE(%s, 0) + 1", null);
    }

    /**
     * The server's clock, for a timestamp in full precision (microseconds), with or without time zone. If the clock stands
     * still or was set back, it is a microsecond more than before: two versions of a row are never the same.
     */
    public static NextVersion clock() {
        return new NextVersion("GREATEST(pg_catalog.clock_timestamp(), %s + INTERVAL '1 microsecond')", null);
    }

    /**
     * An expression of SQL that the server works out, such as {@code gen_random_uuid()}. Beware of {@code now()}, which stands
     * still inside a transaction and may be the same in two.
     *
     * @param sql part of the program's text, never anything that came from outside; not null or blank
     */
    public static NextVersion expression(String sql) {
        if (Objects.requireNonNull(sql, "sql is null: give an expression, such as gen_random_uuid()").isBlank()) {
            throw new IllegalArgumentException("the expression is blank: give one, such as gen_random_uuid()");
        }
        // Doubled because %s stands for the column in the expressions above.
        return new NextVersion("(" + sql.replace("%", "%%") + ")", null);
    }

    /**
     * Nothing is set, and the database does it: a trigger, or the system column {@code xmin}, which is the id of the transaction
     * that wrote the row last.
     */
    public static NextVersion byDatabase() {
        return new NextVersion(null, null);
    }

    /**
     * A value of the program's, asked for at each write.
     *
     * @param values gives no null and nothing twice for a row, such as {@code UUID::randomUUID}; not null itself
     */
    public static NextVersion from(Supplier<?> values) {
        return new NextVersion("?", Objects.requireNonNull(values, "values is null: give a supplier, such as UUID::randomUUID"));
    }

    /** Whether the statement sets it. */
    boolean isSet() {
        return expression != null;
    }

    /** Whether it is a parameter of the statement. */
    boolean isParameter() {
        return supplier != null;
    }

    String assigned(String column) {
        return expression.formatted(column);
    }

    Object value() {
        return Objects.requireNonNull(supplier.get(), "the supplier of versions gave null: a row with no version cannot be told"
                + " from one that has none yet");
    }
}
