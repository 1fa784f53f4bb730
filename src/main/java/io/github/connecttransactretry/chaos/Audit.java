package io.github.connecttransactretry.chaos;

import io.github.connecttransactretry.CommitOutcomeUnknownException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * The exactly-once audit. Each attempt's body appends a row (call, attempt) to a table <b>without</b> a unique constraint,
 * each caller says what answer it got, and in the end the two are compared: effects are counted, not sums, so that one
 * transfer too many and another too few do not hide each other. {@link #append} and the recording of answers are safe from
 * any thread; the rest is for one thread.
 */
public final class Audit {

    // The name goes into SQL text: what would need quotes is refused rather than quoted.
    private static final Pattern TABLE = Pattern.compile("[a-z_][a-z0-9_]{0,62}(\\.[a-z_][a-z0-9_]{0,62})?");

    private final String table;
    private final Map<String, Answer> answers = new ConcurrentHashMap<>();

    private Audit(String table) {
        this.table = table;
    }

    /** What a caller was told. */
    enum Told {
        ACKNOWLEDGED, FAILED, UNKNOWN
    }

    /**
     * One caller's answer.
     *
     * @param told    its kind
     * @param attempt the attempt whose value was returned; 0 unless acknowledged
     * @param text    what was thrown, or the evidence; empty if acknowledged
     */
    record Answer(Told told, int attempt, String text) {
    }

    /**
     * Makes the table and the audit that reads it. Commits only if the connection is in autocommit.
     *
     * @param connection of a role that may create the table
     * @param table a lower-case name, with its schema before a dot if wanted; must not exist, as old rows would be counted
     * @return an audit without answers
     * @throws IllegalArgumentException if the name would need quotes
     * @throws SQLException if the table cannot be made
     */
    public static Audit create(Connection connection, String table) throws SQLException {
        if (!TABLE.matcher(table).matches()) {
            throw new IllegalArgumentException("\"" + table + "\" cannot be the audit's table: use lower-case letters, digits"
                    + " and underscores, with the schema before a dot");
        }
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE " + table + " (call text NOT NULL, attempt int NOT NULL)");
        }
        return new Audit(table);
    }

    /**
     * The table's name.
     *
     * @return as it was given
     */
    public String table() {
        return table;
    }

    /**
     * Leaves the effect of one attempt. To be called once inside each attempt's body, on the transaction's connection.
     *
     * @param connection the transaction's
     * @param call names the call, the same in all its attempts
     * @param attempt 1 for the first
     * @throws SQLException as the body may throw it
     */
    public void append(Connection connection, String call, int attempt) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " (call, attempt) VALUES (?, ?)")) {
            insert.setString(1, call);
            insert.setInt(2, attempt);
            insert.executeUpdate();
        }
    }

    /**
     * The call returned a value.
     *
     * @param call names the call
     * @param attempt the attempt that computed the value returned, as the value itself says
     * @throws IllegalStateException if the call has had an answer
     */
    public void acknowledged(String call, int attempt) {
        record(call, new Answer(Told.ACKNOWLEDGED, attempt, ""));
    }

    /**
     * The call threw an exception that means that nothing was committed.
     *
     * @param call names the call
     * @param thrown what it threw; any but {@link CommitOutcomeUnknownException}
     * @throws IllegalArgumentException if what it threw means unknown
     * @throws IllegalStateException if the call has had an answer
     */
    public void failed(String call, Throwable thrown) {
        if (thrown instanceof CommitOutcomeUnknownException) {
            throw new IllegalArgumentException("call " + call + " did not fail, its outcome is unknown: record it so", thrown);
        }
        record(call, new Answer(Told.FAILED, 0, Objects.requireNonNull(thrown, "thrown").toString()));
    }

    /**
     * The call said that its outcome is unknown.
     *
     * @param call names the call
     * @param evidence what could still be asked, for a reader
     * @throws IllegalStateException if the call has had an answer
     */
    public void unknown(String call, String evidence) {
        record(call, new Answer(Told.UNKNOWN, 0, Objects.requireNonNull(evidence, "evidence")));
    }

    /**
     * The call threw: {@link #unknown} with its evidence for a {@link CommitOutcomeUnknownException}, else {@link #failed}.
     *
     * @param call names the call
     * @param thrown what it threw
     * @throws IllegalStateException if the call has had an answer
     */
    public void threw(String call, Throwable thrown) {
        if (thrown instanceof CommitOutcomeUnknownException unknown) {
            unknown(call, unknown.evidence().map(Object::toString).orElse("no evidence was taken"));
        } else {
            failed(call, thrown);
        }
    }

    private void record(String call, Answer answer) {
        Answer before = answers.putIfAbsent(call, answer);
        if (before != null) {
            throw new IllegalStateException("call " + call + " has been answered twice: " + before + ", then " + answer);
        }
    }

    /**
     * Waits until nothing can change the table any more: no other client backend of the connection's database and of the
     * roles, and no prepared transaction in the database. It ends nobody: see {@link #endOthers}.
     *
     * @param connection in autocommit, as superuser or another role that may see all
     * @param atMost the bound
     * @param roles whose backends are looked for; none means everybody's
     * @throws IllegalStateException at the bound, naming who is left
     */
    public static void awaitQuiet(Connection connection, Duration atMost, String... roles) {
        OtherBackends.ofRoles(connection, roles).awaitNone(atMost);
    }

    /**
     * Tells all other client backends of the connection's database and of the roles to end.
     *
     * @param connection in autocommit, as superuser or as the same role
     * @param roles whose backends end; none means everybody's
     * @return how many were told
     * @throws SQLException if they cannot be told
     */
    public static int endOthers(Connection connection, String... roles) throws SQLException {
        return OtherBackends.ofRoles(connection, roles).end();
    }

    /**
     * Compares effects and answers. The truth only after every held-back request was delivered and {@link #awaitQuiet} has
     * returned: a backend that still lives may yet commit.
     *
     * @param connection that may read the table
     * @return the comparison
     * @throws SQLException if the table cannot be read
     */
    public AuditReport read(Connection connection) throws SQLException {
        return AuditReport.compare(effects(connection), new TreeMap<>(answers));
    }

    /** The committed attempts of each call that has one, in order. */
    Map<String, int[]> effects(Connection connection) throws SQLException {
        Map<String, int[]> effects = new TreeMap<>();
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(
                "SELECT call, array_to_string(array_agg(attempt ORDER BY attempt), ',') FROM " + table + " GROUP BY call")) {
            while (rows.next()) {
                effects.put(rows.getString(1),
                        Pattern.compile(",").splitAsStream(rows.getString(2)).mapToInt(Integer::parseInt).toArray());
            }
        }
        return effects;
    }
}
