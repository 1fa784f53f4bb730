package io.github.connecttransactretry.deadletter;

import io.github.connecttransactretry.ground.OwnTransaction;
import io.github.connecttransactretry.ground.ServerText;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Letters in a table, each written in a transaction of its own, on a connection of a {@code DataSource} that is not the failed
 * call's. A letter whose id is there already is passed over. Nobody waits longer than the limit for it, half a second if not
 * said. Thread-safe.
 *
 * <p>To write, a role needs USAGE on the schema and INSERT on the table, and nothing else; to take letters up, SELECT and
 * UPDATE (taken_up). That is what {@link #grants} says. To be marked as done in the transaction that takes it up, the letter has
 * to be in that transaction's database.
 */
public final class TableDeadLetters implements DeadLetterBox {

    /** The schema where no other is given: that of the library's other tables. */
    public static final String STANDARD_SCHEMA = "connect_transact_retry";

    /** The table where no other is given. */
    public static final String STANDARD_TABLE = "dead_letter";

    private static final Logger LOG = LoggerFactory.getLogger(TableDeadLetters.class);

    private static final Duration DEFAULT_LIMIT = Duration.ofMillis(500);

    private static final String COLUMNS = "id, happened, label, idempotency_key, fingerprint, codec, attempts,"
            + " sql_states, thrown, said, unknown, evidence, payload";

    private final DataSource dataSource;
    private final String schema;
    private final String table;
    private final TimeLimit limit;

    /**
     * The letters of the table {@value #STANDARD_TABLE} in the schema {@value #STANDARD_SCHEMA}.
     *
     * @param dataSource better not the pool of the calls that fail, which may be what they wait for; give it a
     *                   {@code loginTimeout}; not null
     */
    public TableDeadLetters(DataSource dataSource) {
        this(dataSource, STANDARD_SCHEMA, STANDARD_TABLE, DEFAULT_LIMIT);
    }

    /**
     * The letters of a table.
     *
     * @param dataSource as {@link #TableDeadLetters(DataSource)}
     * @param schema     its schema's name, unquoted, not null or blank
     * @param table      its name, unquoted, not null or blank
     * @param limit      how long to wait for a letter to be acknowledged, positive, not null
     * @throws IllegalArgumentException if a name is blank or has a NUL, or the limit is not positive
     */
    public TableDeadLetters(DataSource dataSource, String schema, String table, Duration limit) {
        this.dataSource = Objects.requireNonNull(dataSource, "dataSource is null: give one that leads to the table's database");
        this.schema = quoted("schema", schema);
        this.table = this.schema + "." + quoted("table", table);
        this.limit = new TimeLimit(limit);
    }

    private static String quoted(String what, String name) {
        if (Objects.requireNonNull(name, "the " + what + "'s name is null: give one").isBlank() || name.indexOf('\0') >= 0) {
            throw new IllegalArgumentException("the " + what + "'s name is blank or has a NUL: give a name");
        }
        return ServerText.quoted(name);
    }

    /** The SQL that creates the table, safe to run again. */
    public String ddl() {
        return "CREATE SCHEMA IF NOT EXISTS " + schema + ";\n"
                + "CREATE TABLE IF NOT EXISTS " + table + " (\n"
                + "    id              uuid PRIMARY KEY,\n"
                + "    happened        timestamptz NOT NULL,\n"
                + "    label           text NOT NULL,\n"
                + "    idempotency_key text,\n"
                + "    fingerprint     text,\n"
                + "    codec           text,\n"
                + "    attempts        integer NOT NULL,\n"
                + "    sql_states      text NOT NULL,\n"
                + "    thrown          text NOT NULL,\n"
                + "    said            text NOT NULL,\n"
                + "    unknown         boolean NOT NULL,\n"
                + "    evidence        text,\n"
                + "    payload         text NOT NULL,\n"
                + "    taken_up        timestamptz\n"
                + ")";
    }

    /** The SQL that gives a role the rights to write letters, and another one, which may be the same, those to take them up. */
    public String grants(String writer, String taker) {
        return "GRANT USAGE ON SCHEMA " + schema + " TO " + quoted("writer", writer) + ", " + quoted("taker", taker) + ";\n"
                + "GRANT INSERT ON " + table + " TO " + quoted("writer", writer) + ";\n"
                + "GRANT SELECT, UPDATE (taken_up) ON " + table + " TO " + quoted("taker", taker);
    }

    /**
     * Creates the table, or leaves it if it is there.
     *
     * @param owner of a role that may create it, not null
     * @throws SQLException if the server refuses
     */
    public void install(DataSource owner) throws SQLException {
        // CREATE ... IF NOT EXISTS by two at once is a unique violation in the catalogue for one of them.
        execute(owner, "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('" + STANDARD_SCHEMA + "')); "
                + ddl());
    }

    /**
     * Gives the rights that {@link #grants} names.
     *
     * @param owner of the table's owner, not null
     * @throws SQLException if the server refuses
     */
    public void grant(DataSource owner, String writer, String taker) throws SQLException {
        execute(owner, grants(writer, taker));
    }

    private static void execute(DataSource owner, String sql) throws SQLException {
        Objects.requireNonNull(owner, "owner is null: give a DataSource of the role that is to own the table");
        try (Connection connection = owner.getConnection()) {
            OwnTransaction.run(connection, own -> {
                try (Statement statement = own.createStatement()) {
                    return statement.execute(sql);
                }
            });
        }
    }

    private static void commit(Connection connection) throws SQLException {
        if (!connection.getAutoCommit()) {
            connection.commit();
        }
    }

    /**
     * Writes a letter.
     *
     * @throws SQLException                          if the server refuses, or is away
     * @throws java.util.concurrent.TimeoutException if it was not acknowledged in time; it may still be there
     */
    @Override
    public void put(DeadLetter letter) throws Exception {
        Objects.requireNonNull(letter, "letter is null: give the one to keep");
        AtomicReference<Connection> open = new AtomicReference<>();
        limit.run(() -> write(letter, open), () -> abort(open.get()));
    }

    private void write(DeadLetter letter, AtomicReference<Connection> open) throws SQLException {
        // Without a conflict target it needs no right to SELECT.
        String sql = "INSERT INTO " + table + " (" + COLUMNS + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                + " ON CONFLICT DO NOTHING";
        try (Connection connection = dataSource.getConnection()) {
            open.set(connection);
            try (PreparedStatement insert = connection.prepareStatement(sql)) {
                fill(insert, letter);
                insert.executeUpdate();
                commit(connection);
            }
            open.set(null);
        }
    }

    private static void fill(PreparedStatement insert, DeadLetter letter) throws SQLException {
        insert.setObject(1, letter.id());
        insert.setObject(2, OffsetDateTime.ofInstant(letter.when(), ZoneOffset.UTC));
        insert.setString(3, letter.label());
        insert.setString(4, letter.idempotencyKey());
        insert.setString(5, letter.fingerprint());
        insert.setString(6, letter.codec());
        insert.setInt(7, letter.attempts());
        insert.setString(8, LetterLine.sqlStates(letter));
        insert.setString(9, letter.thrown());
        insert.setString(10, letter.said());
        insert.setBoolean(11, letter.unknown());
        insert.setString(12, letter.evidence());
        insert.setString(13, letter.payload());
    }

    private static void abort(Connection hanging) {
        try {
            if (hanging != null) {
                hanging.abort(Runnable::run);
            }
        } catch (SQLException | RuntimeException gone) {
            // It is only to set a thread free.
        }
    }

    @Override
    public List<DeadLetter> open() throws SQLException {
        String sql = "SELECT " + COLUMNS + " FROM " + table + " WHERE taken_up IS NULL ORDER BY happened, id";
        List<DeadLetter> letters = new ArrayList<>();
        try (Connection connection = dataSource.getConnection(); PreparedStatement select = connection.prepareStatement(sql)) {
            try (ResultSet row = select.executeQuery()) {
                while (row.next()) {
                    addIfOne(letters, row);
                }
            }
            commit(connection);
        }
        return letters;
    }

    private void addIfOne(List<DeadLetter> letters, ResultSet row) throws SQLException {
        try {
            letters.add(letter(row));
        } catch (IllegalArgumentException changed) {
            LOG.warn("the row {} of {} is no dead letter and is skipped, perhaps changed by hand: {}", row.getString(1), table,
                    changed.getMessage());
        }
    }

    private static DeadLetter letter(ResultSet row) throws SQLException {
        return new DeadLetter(row.getObject(1, UUID.class), row.getObject(2, OffsetDateTime.class).toInstant(), row.getString(3),
                row.getString(4), row.getString(5), row.getString(6), row.getInt(7), LetterLine.sqlStates(row.getString(8)),
                row.getString(9), row.getString(10), row.getBoolean(11), row.getString(12), row.getString(13));
    }

    @Override
    public boolean keepsMarks() {
        return true;
    }

    @Override
    public void done(Connection connection, DeadLetter letter) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement(
                "UPDATE " + table + " SET taken_up = pg_catalog.now() WHERE id = ? AND taken_up IS NULL")) {
            update.setObject(1, letter.id());
            update.executeUpdate();
        }
    }
}
