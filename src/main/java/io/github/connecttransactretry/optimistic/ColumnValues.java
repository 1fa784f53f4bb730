package io.github.connecttransactretry.optimistic;

import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.UUID;
import java.util.regex.Pattern;

/** Values on their way to the server and back, so that what was read compares as equal when it is sent again. */
final class ColumnValues {

    private static final Pattern WITH_OFFSET = Pattern.compile(".*:\\d\\d(\\.\\d+)?[+-]\\d\\d(:\\d\\d){0,2}( BC)?");
    private static final Pattern WITHOUT_OFFSET = Pattern.compile("\\d.*:\\d\\d(\\.\\d+)?( BC)?");

    private ColumnValues() {
    }

    /** Text goes without a type, so that the server takes it as the column's: uuid, xid, enum, a timestamp's text. */
    static void bind(PreparedStatement statement, int index, Object value) throws SQLException {
        if (value == null) {
            statement.setNull(index, Types.NULL);
        } else if (value instanceof CharSequence || value instanceof Character) {
            statement.setObject(index, value.toString(), Types.OTHER);
        } else if (value instanceof Enum<?> constant) {
            statement.setObject(index, constant.name(), Types.OTHER);
        } else if (value instanceof Instant instant) {
            statement.setObject(index, instant.atOffset(ZoneOffset.UTC));
        } else if (value instanceof ZonedDateTime zoned) {
            statement.setObject(index, zoned.toOffsetDateTime());
        } else {
            statement.setObject(index, value);
        }
    }

    /**
     * The value in a type of Java that holds all of it; of types that have none, the server's text. Not asked of the metadata:
     * the name of a column's type costs pgjdbc a round trip.
     */
    static Object read(ResultSet row, int index) throws SQLException {
        Object value = row.getObject(index);
        if (value instanceof Timestamp) {
            return timestamp(row, index);
        }
        if (value instanceof Date) {
            String text = row.getString(index);
            return text.endsWith("infinity") ? text : row.getObject(index, LocalDate.class);
        }
        boolean whole = value == null || value instanceof Number || value instanceof Boolean || value instanceof String
                || value instanceof UUID || value instanceof byte[];
        return whole ? value : row.getString(index);
    }

    /** A {@link Timestamp} is in the JVM's time zone, where an hour of each year does not exist. */
    private static Object timestamp(ResultSet row, int index) throws SQLException {
        String text = row.getString(index);
        if (WITH_OFFSET.matcher(text).matches()) {
            return row.getObject(index, OffsetDateTime.class).withOffsetSameInstant(ZoneOffset.UTC);
        }
        return WITHOUT_OFFSET.matcher(text).matches() ? row.getObject(index, LocalDateTime.class) : text;
    }
}
