package io.github.connecttransactretry.optimistic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.fixtures.TestDatabase;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Versions of many types: what is read is what is sent, to the last microsecond, in text and in binary. */
class VersionTypesTest {

    private static final UUID ID = UUID.fromString("7d444840-9dc0-11d1-b245-5ffdce74fad2");
    private static final String ISO = "v timestamptz";

    private static TestDatabase database;

    @BeforeAll
    static void launch() {
        database = TestDatabase.launch(Map.of("fsync", "off"));
    }

    @AfterAll
    static void stop() {
        database.close();
    }

    /** A column, its first value, where the next comes from, and what Java makes of it. */
    private record Case(String type, String first, NextVersion next, Class<?> read) {
    }

    static Stream<Case> cases() {
        return Stream.of(
                new Case("smallint", "3", NextVersion.increment(), Integer.class),
                new Case("int", "-1", NextVersion.increment(), Integer.class),
                new Case("bigint", "9007199254740993", NextVersion.increment(), Long.class),
                new Case("numeric", "1.50", NextVersion.increment(), BigDecimal.class),
                new Case("uuid", "'" + ID + "'", NextVersion.expression("gen_random_uuid()"), UUID.class),
                new Case("uuid", "'" + ID + "'", NextVersion.from(UUID::randomUUID), UUID.class),
                new Case("text", "'a'", NextVersion.expression("md5(random()::text || '100%')"), String.class),
                new Case("bytea", "'\\x00ff'", NextVersion.expression("uuid_send(gen_random_uuid())"), byte[].class),
                new Case("timestamptz", "'2026-03-29 01:30:00.000001+00'", NextVersion.clock(), OffsetDateTime.class),
                new Case("timestamptz", "'9999-12-31 23:59:59.999998+00'", NextVersion.clock(), OffsetDateTime.class),
                new Case("timestamptz", "'0044-03-15 12:00:00.000001+00 BC'", NextVersion.clock(), OffsetDateTime.class),
                new Case("timestamptz", "'-infinity'", NextVersion.clock(), String.class),
                new Case("timestamptz", "now()", NextVersion.from(Instant::now), OffsetDateTime.class),
                // The hour that the clocks of the tests' time zone pass over.
                new Case("timestamp", "'2026-09-27 02:50:00.999999'", NextVersion.clock(), LocalDateTime.class),
                new Case("timestamp", "'infinity'", NextVersion.from(LocalDateTime::now), String.class));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void aVersionOfThisType(Case type) throws SQLException {
        for (String parameters : List.of("", "prepareThreshold=-1", "preferQueryMode=simple", "options=-c%20TimeZone=America/St_Johns")) {
            database.execute("DROP TABLE IF EXISTS typed", "CREATE TABLE typed (id uuid PRIMARY KEY, v " + type.type + ", n int)",
                    "INSERT INTO typed VALUES ('" + ID + "', " + type.first + ", 0)");
            try (Connection connection = database.plain(parameters).getConnection()) {
                connection.setAutoCommit(false);
                play(connection, type);
            }
            assertEquals("8", database.ask("SELECT n FROM typed"));
        }
    }

    private static void play(Connection connection, Case type) throws SQLException {
        VersionedTable typed = VersionedTable.of("typed").key("id").version("v", type.next);
        VersionedRow first = typed.load(connection, ID).orElseThrow();
        assertTrue(type.read.isInstance(first.version()), () -> "read as " + first.version());
        VersionedRow row = first;
        // More often than pgjdbc's prepareThreshold.
        for (int n = 1; n <= 8; n++) {
            VersionedRow written = typed.update(connection, row, Map.of("n", n));
            connection.commit();
            assertFalse(Versions.same(row.version(), written.version()));
            assertTrue(Versions.same(written.version(), typed.load(connection, ID).orElseThrow().version()));
            row = written;
        }
        StaleVersionException stale =
                assertThrows(StaleVersionException.class, () -> typed.update(connection, first, Map.of("n", -1)));
        assertTrue(Versions.same(row.version(), stale.actual()));
        connection.commit();
    }

    private static VersionedTable timed(String column, String... rows) throws SQLException {
        database.execute("DROP TABLE IF EXISTS timed", "CREATE TABLE timed (id int PRIMARY KEY, " + column + ", n int)");
        for (String row : rows) {
            database.execute("INSERT INTO timed VALUES (" + row + ", 0)");
        }
        return VersionedTable.of("timed").key("id").version("v", NextVersion.clock());
    }

    @Test
    void timestampsComeInAnyTypeAndToTheMicrosecond() throws SQLException {
        VersionedTable timed = timed(ISO, "1, '2026-01-02 03:04:05.123457+00'");
        Instant exact = Instant.parse("2026-01-02T03:04:05.123457Z");
        // pgjdbc rounds half up, and so does whoever wrote the row with the same value.
        List<Object> same = List.of(exact, Instant.parse("2026-01-02T03:04:05.123456500Z"), exact.atZone(ZoneId.of("Asia/Kathmandu")),
                exact.atZone(ZoneId.of("Asia/Kathmandu")).toOffsetDateTime(), Timestamp.from(exact), "2026-01-02 08:49:05.123457+05:45");
        try (Connection connection = database.plain("").getConnection()) {
            connection.setAutoCommit(false);
            for (Object version : same) {
                timed.update(connection, 1, version, Map.of("n", 1));
                connection.rollback();
            }
            for (Object other : List.of(exact.plusNanos(1000), exact.minusNanos(1000), Instant.parse("2026-01-02T03:04:05.123457500Z"))) {
                StaleVersionException stale =
                        assertThrows(StaleVersionException.class, () -> timed.update(connection, 1, other, Map.of("n", 1)));
                assertEquals(Optional.of(Duration.ofNanos(1000)), stale.timeGap().map(Duration::abs));
                assertFalse(stale.getMessage().contains("milliseconds"), stale::getMessage);
            }
            StaleVersionException cut = assertThrows(StaleVersionException.class,
                    () -> timed.update(connection, 1, Instant.parse("2026-01-02T03:04:05.123Z"), Map.of("n", 1)));
            assertEquals(Optional.of(Duration.ofNanos(457_000)), cut.timeGap());
            assertTrue(cut.getMessage().contains("cut to milliseconds on its way?"), cut::getMessage);
        }
    }

    @Test
    void theClockNeverGivesAVersionTwice() throws SQLException {
        VersionedTable timed = timed(ISO, "1, '2100-01-01 00:00:00.999999+00'");
        try (Connection connection = database.plain("").getConnection()) {
            connection.setAutoCommit(false);
            VersionedRow row = timed.load(connection, 1).orElseThrow();
            for (int n = 1; n <= 3; n++) {
                row = timed.update(connection, row, Map.of("n", n));
                assertEquals(OffsetDateTime.parse("2100-01-01T00:00:00.999999Z").plusNanos(n * 1000L), row.version());
            }
        }
    }

    @Test
    void aVersionThatStandsStillIsNoticed() throws SQLException {
        VersionedTable trigger = VersionedTable.of("timed").key("id").version("v", NextVersion.byDatabase());
        timed("v timestamptz", "1, '2026-01-01'");
        standsStill(trigger);
        database.execute("CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
                + " 'BEGIN NEW.v = clock_timestamp(); RETURN NEW; END'",
                "CREATE TRIGGER touch BEFORE UPDATE ON timed FOR EACH ROW EXECUTE FUNCTION touch()");
        try (Connection connection = database.plain("").getConnection()) {
            connection.setAutoCommit(false);
            VersionedRow seen = trigger.load(connection, 1).orElseThrow();
            VersionedRow written = trigger.update(connection, seen, Map.of("n", 1));
            assertTrue(Duration.between((OffsetDateTime) seen.version(), (OffsetDateTime) written.version()).toDays() > 0);
            connection.commit();
            assertEquals(written.version(), trigger.load(connection, 1).orElseThrow().version());
        }
        standsStill(VersionedTable.of("timed").key("id").version("n", NextVersion.expression("n")));
        timed("v timestamptz(0)", "1, '2100-01-01'");
        standsStill(VersionedTable.of("timed").key("id").version("v", NextVersion.clock()));
    }

    /** As a form or an ETag has it, in the server's own print. */
    @ParameterizedTest
    @ValueSource(strings = {"2026-01-01 12:00:00.000001+00", "2026-01-01 17:30:00.000001+05:30", "2026-01-01T12:00:00.000001Z"})
    void aVersionGivenAsTextThatStandsStillIsNoticed(String version) throws SQLException {
        VersionedTable byTrigger = VersionedTable.of("timed").key("id").version("v", NextVersion.byDatabase());
        timed("v timestamptz", "1, '2026-01-01 12:00:00.000001+00'");
        try (Connection connection = database.plain("").getConnection()) {
            connection.setAutoCommit(false);
            assertTrue(assertThrows(IllegalStateException.class, () -> byTrigger.update(connection, 1, version, Map.of("n", 1)))
                    .getMessage().contains("is still at version"));
            connection.rollback();
            StaleVersionException stale = assertThrows(StaleVersionException.class,
                    () -> byTrigger.update(connection, 1, version.replace(".000001", ".000000"), Map.of("n", 1)));
            assertEquals(Duration.ofNanos(1000), stale.timeGap().orElseThrow());
        }
    }

    private static void standsStill(VersionedTable table) throws SQLException {
        try (Connection connection = database.plain("").getConnection()) {
            connection.setAutoCommit(false);
            String column = table.load(connection, 1).orElseThrow().columns().containsKey("n") ? "n" : "v";
            Object value = column.equals("n") ? 5 : Instant.EPOCH;
            IllegalStateException still =
                    assertThrows(IllegalStateException.class, () -> table.merge(connection, 1, row -> Map.of(column, value)));
            assertTrue(still.getMessage().contains("was written and is still at version"), still::getMessage);
        }
    }

    @Test
    void theRowsOwnTransactionIdAsAVersion() throws SQLException {
        timed("v int", "1, 0");
        VersionedTable timed = VersionedTable.of("timed").key("id").version("xmin", NextVersion.byDatabase());
        try (Connection connection = database.plain("").getConnection()) {
            connection.setAutoCommit(false);
            VersionedRow seen = timed.load(connection, 1).orElseThrow();
            assertEquals(database.ask("SELECT xmin FROM timed"), seen.version());
            VersionedRow once = timed.update(connection, seen, Map.of("n", 1));
            VersionedRow twice = timed.update(connection, once, Map.of("n", 2));
            assertEquals(once.version(), twice.version());
            connection.commit();
            StaleVersionException stale =
                    assertThrows(StaleVersionException.class, () -> timed.update(connection, seen, Map.of("n", 3)));
            assertEquals(seen.version(), stale.expected());
            assertEquals(database.ask("SELECT xmin FROM timed"), stale.actual());
            assertEquals(Optional.empty(), stale.gap());
        }
    }
}
