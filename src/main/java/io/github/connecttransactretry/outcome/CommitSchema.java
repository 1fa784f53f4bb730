package io.github.connecttransactretry.outcome;

import static io.github.connecttransactretry.ground.ServerText.quoted;

import io.github.connecttransactretry.ground.OwnTransaction;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Objects;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.sql.DataSource;

/**
 * The library's own tables: where they are and how they come to be there. The engine itself creates nothing. Immutable and
 * thread-safe.
 *
 * @param name        the schema's name, unquoted, not null or blank; any characters, quotes and spaces included, up to
 *                    PostgreSQL's 63 bytes (manual, 4.1.1)
 * @param ledgerTable the name of the {@link CommitLedger ledger}'s table, likewise, up to 53 bytes; its watermark table and its
 *                    index are named after it
 */
public record CommitSchema(String name, String ledgerTable) {

    /** The schema that {@link #standard()} names. */
    public static final String STANDARD_NAME = "connect_transact_retry";

    /** The ledger's table where no other name is given. */
    public static final String STANDARD_LEDGER_TABLE = "commit_ledger";

    /** The UNLOGGED table whose one row names an {@link Incarnation} of the server. */
    static final String INCARNATION = "incarnation";

    private static final int LONGEST_IDENTIFIER = 63;
    private static final String WATERMARK = "_watermark";
    private static final String KEY_INDEX = "_key";

    /** CREATE ... IF NOT EXISTS by two at once is a unique violation in the catalogue for one of them (measured). */
    private static final String ONE_AT_A_TIME =
            "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('" + STANDARD_NAME + "'));\n";

    /** Every name in {@code schema.sql} that a schema with other names replaces. */
    private static final Pattern STANDARD_NAMES =
            Pattern.compile("\\b(?:" + STANDARD_NAME + "|" + STANDARD_LEDGER_TABLE + "(" + WATERMARK + "|" + KEY_INDEX + ")?)\\b");

    /** Checks the names. */
    public CommitSchema {
        requireIdentifier("schema", name, LONGEST_IDENTIFIER, STANDARD_NAME);
        requireIdentifier("ledger table", ledgerTable, LONGEST_IDENTIFIER - WATERMARK.length(), STANDARD_LEDGER_TABLE);
        if (ledgerTable.equals(INCARNATION)) {
            throw new IllegalArgumentException("the ledger table cannot be named " + INCARNATION + ", which another table of the"
                    + " schema is: give another name, for example " + STANDARD_LEDGER_TABLE);
        }
    }

    /** The tables in a schema of that name, the ledger's table named {@value #STANDARD_LEDGER_TABLE}. */
    public CommitSchema(String name) {
        this(name, STANDARD_LEDGER_TABLE);
    }

    /** The tables in a schema named {@value #STANDARD_NAME}. */
    public static CommitSchema standard() {
        return new CommitSchema(STANDARD_NAME);
    }

    /** This schema with another name for the ledger's table, so that several ledgers may live in it. */
    public CommitSchema withLedgerTable(String table) {
        return new CommitSchema(name, table);
    }

    private static void requireIdentifier(String what, String name, int longest, String example) {
        Objects.requireNonNull(name, "the " + what + "'s name is null: give one, for example " + example);
        if (name.isBlank() || name.indexOf('\0') >= 0) {
            throw new IllegalArgumentException("the " + what + "'s name is blank or has a NUL: give a name, for example " + example);
        }
        if (name.getBytes(StandardCharsets.UTF_8).length > longest) {
            throw new IllegalArgumentException("the " + what + "'s name is longer than " + longest + " bytes, which is what"
                    + " PostgreSQL's 63 leave for it: " + name);
        }
    }

    /** The SQL that creates the tables, safe to run again: the {@code schema.sql} of the jar with this schema's name. */
    public String ddl() {
        try (InputStream file = CommitSchema.class.getResourceAsStream("/io/github/connecttransactretry/schema.sql")) {
            // Without the comments: a name with a line break in it would otherwise end one of them.
            String sql = new String(file.readAllBytes(), StandardCharsets.UTF_8).lines()
                    .filter(line -> !line.startsWith("--"))
                    .collect(Collectors.joining("\n"));
            return STANDARD_NAMES.matcher(sql).replaceAll(found -> Matcher.quoteReplacement(renamed(found)));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    private String renamed(MatchResult found) {
        if (found.group().equals(STANDARD_NAME)) {
            return quoted(name);
        }
        return quoted(ledgerTable + (found.group(1) == null ? "" : found.group(1)));
    }

    /**
     * Creates the tables, or leaves them if they are there, in a transaction of its own.
     *
     * @param dataSource of a role that may create the schema, not null
     * @throws SQLException if the server refuses; nothing has been created then
     */
    public void install(DataSource dataSource) throws SQLException {
        try (Connection connection = open(dataSource)) {
            OwnTransaction.run(connection, own -> {
                execute(own, ONE_AT_A_TIME + ddl());
                requireKeyIndex(own);
                return null;
            });
        }
    }

    /**
     * Gives a role the rights that the engine needs on the tables, and no others.
     *
     * @param dataSource of the tables' owner, not null
     * @param role       the role that the engine's connections log in as, unquoted, not null
     * @throws SQLException if the server refuses
     */
    public void grant(DataSource dataSource, String role) throws SQLException {
        String grants = grants(role);
        try (Connection connection = open(dataSource)) {
            OwnTransaction.run(connection, own -> execute(own, grants));
        }
    }

    /** The SQL that {@link #grant} runs, for a role's unquoted name, not null. */
    public String grants(String role) {
        String grantee = quoted(Objects.requireNonNull(role, "role is null: give the one that the engine logs in as"));
        return "GRANT USAGE ON SCHEMA " + quoted(name) + " TO " + grantee + ";"
                + " GRANT SELECT, INSERT ON " + incarnationTable() + " TO " + grantee + ";"
                + " GRANT SELECT, INSERT, UPDATE (asked, result) ON " + ledger() + " TO " + grantee + ";"
                + " GRANT SELECT, UPDATE (one) ON " + watermark() + " TO " + grantee;
    }

    /** The incarnation table's qualified and quoted name. */
    String incarnationTable() {
        return quoted(name) + "." + INCARNATION;
    }

    /** The ledger table's qualified and quoted name. */
    public String ledger() {
        return quoted(name) + "." + quoted(ledgerTable);
    }

    /**
     * Whether a table is the ledger's.
     *
     * @param table the unquoted names of schema and table with a dot between, or null
     */
    public boolean isLedger(String table) {
        return (name + "." + ledgerTable).equals(table);
    }

    /** The unquoted name of the table that holds the ledger's watermark row. */
    String watermarkTable() {
        return ledgerTable + WATERMARK;
    }

    /** The watermark table's qualified and quoted name. */
    String watermark() {
        return quoted(name) + "." + quoted(watermarkTable());
    }

    /** {@code CREATE INDEX IF NOT EXISTS} passes over whatever else bears the name, even another ledger's table. */
    private void requireKeyIndex(Connection connection) throws SQLException {
        if (!LedgerTable.read(connection, this).keysAreUnique()) {
            throw new SQLException("the ledger " + ledger() + " is without its unique index on idempotency_key: if something else in"
                    + " that schema is named " + ledgerTable + KEY_INDEX + ", give the ledger's table another name");
        }
    }

    private static boolean execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.execute(sql);
        }
    }

    static Connection open(DataSource dataSource) throws SQLException {
        return Objects.requireNonNull(dataSource, "dataSource is null: give one that leads to the tables' database").getConnection();
    }
}
