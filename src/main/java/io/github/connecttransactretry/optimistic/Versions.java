package io.github.connecttransactretry.optimistic;

import java.math.BigDecimal;
import java.sql.Timestamp;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.Temporal;
import java.time.temporal.TemporalAccessor;
import java.util.Locale;
import java.util.Objects;

/** Two versions of a row beside each other, the caller's in whatever type it came, the server's as it was read. */
final class Versions {

    private static final DateTimeFormatter PRINTED = new DateTimeFormatterBuilder().append(DateTimeFormatter.ISO_LOCAL_DATE)
            .appendPattern("[ ]['T']").append(DateTimeFormatter.ISO_LOCAL_TIME)
            .optionalStart().parseLenient().appendOffset("+HH:mm:ss", "Z").optionalEnd().toFormatter(Locale.ROOT);
    private static final int NANOS_OF_MICRO = 1000;
    private static final int NANOS_OF_MILLI = 1_000_000;

    private Versions() {
    }

    static boolean same(Object one, Object other) {
        if (Objects.deepEquals(one, other)) {
            return true;
        }
        BigDecimal difference = difference(one, other);
        if (difference != null) {
            return difference.signum() == 0;
        }
        Duration apart = apart(one, other);
        return apart != null ? apart.isZero() : one != null && other != null && isText(one, other)
                && one.toString().equals(other.toString());
    }

    /** Other minus one if both are numbers or one is a number's text, else null. */
    static BigDecimal difference(Object one, Object other) {
        if (!(one instanceof Number) && !(other instanceof Number)) {
            return null;
        }
        BigDecimal from = decimal(one);
        BigDecimal to = decimal(other);
        return from == null || to == null ? null : to.subtract(from);
    }

    /** The time from one to the other, in the server's microseconds, if both are points in time of the same kind, else null. */
    static Duration apart(Object one, Object other) {
        Temporal from = point(one);
        Temporal to = point(other);
        return from == null || to == null || from.getClass() != to.getClass() ? null : Duration.between(from, to);
    }

    /** Whether a difference smells of a version that was cut to milliseconds on its way through another program. */
    static boolean isCutToMillis(Object expected, Duration apart) {
        Temporal point = point(expected);
        boolean whole = point instanceof Instant instant && instant.getNano() % NANOS_OF_MILLI == 0
                || point instanceof LocalDateTime local && local.getNano() % NANOS_OF_MILLI == 0;
        return whole && apart.abs().compareTo(Duration.ofMillis(1)) < 0;
    }

    private static boolean isText(Object one, Object other) {
        return one instanceof CharSequence || other instanceof CharSequence;
    }

    private static BigDecimal decimal(Object version) {
        if (!(version instanceof Number) && !(version instanceof CharSequence)) {
            return null;
        }
        try {
            return new BigDecimal(version.toString().trim());
        } catch (NumberFormatException notANumber) {
            return null;
        }
    }

    private static Temporal point(Object version) {
        if (version instanceof CharSequence text) {
            return parsed(text.toString());
        }
        if (version instanceof LocalDateTime local) {
            return LocalDateTime.ofInstant(inMicros(local.toInstant(ZoneOffset.UTC)), ZoneOffset.UTC);
        }
        Instant instant = version instanceof Instant given ? given
                : version instanceof OffsetDateTime offset ? offset.toInstant()
                : version instanceof ZonedDateTime zoned ? zoned.toInstant()
                : version instanceof Timestamp timestamp ? timestamp.toInstant() : null;
        return instant == null ? null : inMicros(instant);
    }

    /** A timestamp as PostgreSQL prints it in ISO style; null for any other text. */
    private static Temporal parsed(String text) {
        try {
            TemporalAccessor found = PRINTED.parseBest(text.trim(), OffsetDateTime::from, LocalDateTime::from);
            return point(found);
        } catch (DateTimeException noTimestamp) {
            return null;
        }
    }

    /** As pgjdbc rounds what it sends: half up. */
    private static Instant inMicros(Instant instant) {
        Instant rounded = instant.plusNanos(NANOS_OF_MICRO / 2);
        return rounded.minusNanos(rounded.getNano() % NANOS_OF_MICRO);
    }
}
