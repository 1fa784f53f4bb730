package io.github.connecttransactretry.drill;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DrillTest {

    private static final String USER = "drill_guest";
    private static final String PASSWORD = "nobody-may-read-this";
    private static final String[] SHORT = {"--seconds", "1", "--threads", "4"};

    private static PostgresServer server;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        server.requirePassword(USER, PASSWORD);
        execute("GRANT CREATE ON DATABASE postgres TO " + USER);
    }

    @AfterAll
    static void close() {
        server.close();
    }

    /** By status alone the calls in doubt at the crash may stay unknown; the ledger leaves none. */
    @ParameterizedTest
    @ValueSource(strings = {"status", "ledger", "status-then-ledger"})
    void aShortDrillWithItsCrashIsExactlyOnce(String outcome) {
        Set<Thread> before = liveUserThreads();
        int code = drill((connection, audit) -> { }, "--seconds", "4", "--threads", "8", "--outcome", outcome);
        assertEquals(0, code, this::told);
        Map<String, Integer> counts = verdict("exactly-once");
        assertTrue(counts.get("acknowledged") > 20, this::told);
        assertEquals(List.of(0, 0, 0), List.of(counts.get("doubled"), counts.get("lost"), counts.get("wrong")), this::told);
        assertTrue(outcome.equals("status") || counts.get("unknown") == 0, this::told);
        assertTrue(told().contains("outcome by " + outcome.replace('-', ' ')), this::told);
        long inTruth = lines().stream().filter(line -> line.contains("(in truth committed): ctr1 database=")).count();
        assertEquals(counts.get("acknowledged") + inTruth, (long) counts.get("committed"), this::told);
        assertEquals(counts.get("in-doubt"), counts.get("resolved-committed") + counts.get("resolved-not-committed")
                + counts.get("unknown"), this::told);
        assertAll(() -> assertTrue(counts.get("resolved-committed") > 0, this::told),
                () -> assertTrue(counts.get("resolved-not-committed") > 0, this::told),
                () -> assertTrue(counts.get("retries") > 0, this::told),
                () -> assertTrue(told().contains("crash: ordered with "), this::told),
                () -> assertTrue(told().contains("CUT_BEFORE") && told().contains("CUT_AFTER"), this::told));
        assertEquals("", err.toString(StandardCharsets.UTF_8));
        assertEquals(before, liveUserThreads());
    }

    @Test
    void theProgressStaysOnOneShortLine() {
        given((connection, audit) -> { });
        String told = told();
        int first = told.indexOf('\r');
        String[] versions = told.substring(first + 1, told.indexOf('\n', first)).split("\r");
        assertTrue(versions.length >= 4, this::told);
        for (String version : versions) {
            assertTrue(version.length() < 80 && version.contains(" calls, "), version);
        }
        assertEquals(-1, told.indexOf('\r', told.indexOf('\n', first)), "the progress goes on after its line has ended");
    }

    @Test
    void aGivenServerIsUsedAndLeftAsItWas() throws SQLException {
        try (Connection bystander = DriverManager.getConnection(url(), USER, PASSWORD)) {
            assertEquals(0, given((connection, audit) -> assertEquals(USER, connection.getMetaData().getUserName())), this::told);
            assertTrue(bystander.isValid(5), "a session of the same role that is not the drill's was ended");
        }
        assertEquals(0, verdict("exactly-once").get("unknown"));
        assertTrue(told().contains(" at localhost:" + server.port()), this::told);
        assertFalse(told().contains("crash: "), this::told);
        assertNothingIsLeft();
        assertFalse((told() + err).contains(PASSWORD));
    }

    @Test
    void aServerThatIsToBeAskedForTlsIsUsedWithoutTheProxy() throws SQLException {
        int code = drill(Map.of("PGPASSWORD", PASSWORD), (connection, audit) -> { },
                arguments("--url", url() + "?sslmode=prefer", "--user", USER));
        assertEquals(0, code, this::told);
        verdict("exactly-once");
        assertTrue(told().contains("by pg_terminate_backend alone") && !told().contains("CUT_"), this::told);
        assertNothingIsLeft();
    }

    @Test
    void whatTheAuditFindsTurnsTheVerdict() throws SQLException {
        int code = given((connection, audit) -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("DELETE FROM " + audit.table() + " WHERE ctid = (SELECT min(ctid) FROM " + audit.table() + ")");
                statement.execute("INSERT INTO " + audit.table() + " SELECT call, attempt + 7 FROM " + audit.table() + " LIMIT 1");
            }
            audit.append(connection, "made-up", 1);
            audit.failed("made-up", new IllegalStateException("made up"));
        });
        assertEquals(1, code, this::told);
        Map<String, Integer> counts = verdict("not-exactly-once");
        assertEquals(List.of(1, 1, 1), List.of(counts.get("doubled"), counts.get("lost"), counts.get("wrong")), this::told);
        assertTrue(told().contains("doubled: ") && told().contains("lost: ") && told().contains("wrong: made-up"), this::told);
        assertNothingIsLeft();
    }

    @Test
    void anUnknownThatNoCrashExcusesTurnsTheVerdict() {
        assertEquals(1, given((connection, audit) -> audit.unknown("made-up", "xid=7")), this::told);
        assertEquals(1, verdict("too-many-unknown").get("unknown"));
        assertTrue(told().contains("unknown, not in doubt at any crash: made-up (in truth not committed): xid=7"), this::told);
    }

    @Test
    void missingMoneyTurnsTheVerdict() {
        assertEquals(1, given((connection, audit) -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("UPDATE " + audit.table().replace("effect", "account") + " SET balance = balance + 1 WHERE id = 1");
            }
        }), this::told);
        verdict("not-exactly-once");
        assertTrue(told().contains("money: 200000 before, 200001 after"), this::told);
    }

    @Test
    void aDrillThatBreaksOffIsNoVerdict() throws SQLException {
        assertEquals(1, given((connection, audit) -> {
            throw new SQLException("broken on purpose");
        }), this::told);
        assertEquals("verdict: not-finished", lines().get(lines().size() - 1));
        assertTrue(err.toString(StandardCharsets.UTF_8).contains("broken on purpose"));
        assertNothingIsLeft();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--fast 1 | --fast is no option: --help lists them",
        "hidden-word | an argument is no option: --help lists them",
        "--seconds | --seconds needs a value",
        "--outcome guess | --outcome guess: give status, ledger or status-then-ledger",
        "--seconds ten | --seconds ten: give a whole number from 1 to 3600",
        "--seconds=0 | --seconds 0: give a whole number from 1 to 3600",
        "--threads 65 | --threads 65: give a whole number from 1 to 64",
        "--seed 1.5 | --seed 1.5: give a whole number from -9223372036854775808 to 9223372036854775807",
        "--seed 1 --seed 2 | --seed is given twice",
        "--user me | --user is for a given server only: add --url, or leave it out",
        "--password hidden-word | --password is for a given server only: add --url, or leave it out",
        "--url jdbc:postgresql://localhost/x | --url needs --user: who shall the drill be there?",
        "--url jdbc:mysql://hidden-word/x --user me | --url is not of the form jdbc:postgresql://host:port/database, with one host",
        "--url jdbc:postgresql://a,b/x --user me | --url is not of the form jdbc:postgresql://host:port/database, with one host",
        "--url jdbc:postgresql://a:99999/x --user me | --url is not of the form jdbc:postgresql://host:port/database, with one host",
        "--url jdbc:postgresql://a/x?password=hidden-word --user me | --url names the user, the password or the"
                + " ApplicationName: give --user and PGPASSWORD instead, and leave the name to the drill",
    })
    void badArgumentsAreNamedWithTheMend(String arguments, String message) {
        assertEquals(2, drill((connection, audit) -> { }, arguments.split(" ")));
        assertEquals("drill: " + message, err.toString(StandardCharsets.UTF_8).strip());
        assertEquals("", told());
    }

    @Test
    void aServerThatIsNotThereIsNamed() {
        int port = FreePort.find();
        assertEquals(2, drill((connection, audit) -> { }, "--url", "jdbc:postgresql://localhost:" + port + "/x", "--user", USER,
                "--password", PASSWORD));
        String message = err.toString(StandardCharsets.UTF_8);
        assertTrue(message.startsWith("drill: there is no server to run on: Connection to localhost:" + port + " refused"), message);
        assertFalse(message.contains(PASSWORD));
    }

    @Test
    void aWrongPasswordIsRefusedAtOnce() {
        assertEquals(2, drill((connection, audit) -> { }, "--url", url(), "--user", USER, "--password", "wrong-" + PASSWORD));
        String message = err.toString(StandardCharsets.UTF_8);
        assertTrue(message.contains("password authentication failed for user \"" + USER + "\""), message);
        assertFalse(message.contains(PASSWORD), message);
    }

    @Test
    void helpListsTheOptions() {
        assertEquals(0, drill((connection, audit) -> { }, "--help"));
        for (String option : List.of("--seconds", "--threads", "--seed", "--url", "--user", "--password", "PGPASSWORD")) {
            assertTrue(told().contains(option), option);
        }
    }

    private int drill(DrillRun.Tampering tampering, String... args) {
        return drill(Map.of(), tampering, args);
    }

    private int drill(Map<String, String> environment, DrillRun.Tampering tampering, String... args) {
        return new Drill(new PrintStream(out, true, StandardCharsets.UTF_8), new PrintStream(err, true, StandardCharsets.UTF_8),
                environment, tampering).run(args);
    }

    private int given(DrillRun.Tampering tampering) {
        return drill(Map.of("PGPASSWORD", PASSWORD), tampering, arguments("--url", url(), "--user", USER));
    }

    private static String[] arguments(String... first) {
        return Stream.concat(Stream.of(first), Stream.of(SHORT)).toArray(String[]::new);
    }

    private static String url() {
        return "jdbc:postgresql://localhost:" + server.port() + "/postgres";
    }

    private String told() {
        return out.toString(StandardCharsets.UTF_8);
    }

    private List<String> lines() {
        return told().lines().toList();
    }

    /** The counts of the last line. */
    private Map<String, Integer> verdict(String word) {
        String[] parts = lines().get(lines().size() - 1).split(" ");
        assertEquals(List.of("verdict:", word), List.of(parts).subList(0, 2), this::told);
        Map<String, Integer> counts = new TreeMap<>();
        Stream.of(parts).skip(2).map(part -> part.split("=")).forEach(pair -> counts.put(pair[0], Integer.valueOf(pair[1])));
        return counts;
    }

    private static Set<Thread> liveUserThreads() {
        return Thread.getAllStackTraces().keySet().stream().filter(thread -> !thread.isDaemon()).collect(Collectors.toSet());
    }

    private static void execute(String sql) throws SQLException {
        try (Connection connection = server.connect(); Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static void assertNothingIsLeft() throws SQLException {
        try (Connection connection = server.connect(); Statement statement = connection.createStatement();
                var row = statement.executeQuery("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'ctr%'")) {
            row.next();
            assertEquals(0, row.getInt(1), "schemas of the drill are left");
        }
    }
}
