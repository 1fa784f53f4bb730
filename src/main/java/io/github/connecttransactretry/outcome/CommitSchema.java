package io.github.connecttransactretry.outcome;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Objects;
import java.util.stream.Collectors;
import javax.sql.DataSource;

/**
 * The library's own tables: where they are and how they come to be there. The engine itself creates nothing. Immutable and
 * thread-safe.
 *
 * @param name the schema's name, unquoted, not null or blank; any characters, quotes and spaces included, up to PostgreSQL's
 *             63 bytes (manual, 4.1.1)
 */
public record CommitSchema(String name) {

    /** The schema that {@link #standard()} names. */
    public static final String STANDARD_NAME = "connect_transact_retry";

    /** The UNLOGGED table whose one row names an {@link Incarnation} of the server. */
    static final String INCARNATION = "incarnation";

    private static final int LONGEST_IDENTIFIER = 63;

    /** Checks the name. */
    public CommitSchema {
        if (Objects.requireNonNull(name, "name").isBlank() || name.indexOf('\0') >= 0) {
            throw new IllegalArgumentException("the schema's name is blank or has a NUL: give a name, for example " + STANDARD_NAME);
        }
        if (name.getBytes(StandardCharsets.UTF_8).length > LONGEST_IDENTIFIER) {
            throw new IllegalArgumentException("the schema's name is longer than PostgreSQL's " + LONGEST_IDENTIFIER
                    + " bytes: " + name);
        }
    }

    /** The tables in a schema named {@value #STANDARD_NAME}. */
    public static CommitSchema standard() {
        return new CommitSchema(STANDARD_NAME);
    }

    /** The SQL that creates the tables, safe to run again: the {@code schema.sql} of the jar with this schema's name. */
    public String ddl() {
        try (InputStream file = CommitSchema.class.getResourceAsStream("/io/github/connecttransactretry/schema.sql")) {
            // Without the comments: a name with a line break in it would otherwise end one of them.
            return new String(file.readAllBytes(), StandardCharsets.UTF_8).lines()
                    .filter(line -> !line.startsWith("--"))
                    .collect(Collectors.joining("\n"))
                    .replace(STANDARD_NAME, quoted(name));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    /**
     * Creates the tables, or leaves them if they are there, in a transaction of its own.
     *
     * @param dataSource of a role that may create the schema, not null
     * @throws SQLException if the server refuses; nothing has been created then
     */
    public void install(DataSource dataSource) throws SQLException {
        inTransaction(dataSource, ddl());
    }

    /**
     * Gives a role the rights that the engine needs on the tables, and no others.
     *
     * @param dataSource of the tables' owner, not null
     * @param role       the role that the engine's connections log in as, unquoted, not null
     * @throws SQLException if the server refuses
     */
    public void grant(DataSource dataSource, String role) throws SQLException {
        String grantee = quoted(Objects.requireNonNull(role, "role"));
        inTransaction(dataSource, "GRANT USAGE ON SCHEMA " + quoted(name) + " TO " + grantee + ";"
                + " GRANT SELECT, INSERT ON " + incarnationTable() + " TO " + grantee);
    }

    /** The incarnation table's qualified and quoted name. */
    String incarnationTable() {
        return quoted(name) + "." + INCARNATION;
    }

    private static void inTransaction(DataSource dataSource, String sql) throws SQLException {
        try (Connection connection = dataSource.getConnection()) {
            boolean autoCommit = connection.getAutoCommit();
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.execute(sql);
                connection.commit();
            } catch (SQLException refused) {
                connection.rollback();
                throw refused;
            } finally {
                connection.setAutoCommit(autoCommit);
            }
        }
    }

    private static String quoted(String identifier) {
        return '"' + identifier.replace("\"", "\"\"") + '"';
    }
}
