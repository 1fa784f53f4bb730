package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.Objects;
import javax.sql.DataSource;

/**
 * The ledger as its keeper sees it: a table with one row per committed call, each under a token that the client made and knew
 * before it sent COMMIT, and a tombstone for each COMMIT that was in doubt and is kept out. Turned on and off here, measured
 * and purged; the engine writes and asks it. Immutable and thread-safe.
 *
 * @param schema      where the tables are, not null
 * @param allowedSkew how far the clocks of database servers that follow one another may lie apart, not negative; as the engines'
 * @param longestCall the longest time limit of any call that writes this ledger, positive
 */
public record CommitLedger(CommitSchema schema, Duration allowedSkew, Duration longestCall) {

    private static final Duration DEFAULT_LONGEST_CALL = Duration.ofSeconds(30);

    /** Checks the parts. */
    public CommitLedger {
        Objects.requireNonNull(schema, "schema is null: give the one that the ledger is in");
        LedgerResolver.requireSkew(allowedSkew);
        if (Objects.requireNonNull(longestCall, "longestCall is null: give a Duration").compareTo(Duration.ZERO) <= 0) {
            throw new IllegalArgumentException("the longest call is " + longestCall + ": give a positive duration");
        }
        requireSane("longest call", longestCall);
    }

    /** Far beyond any use, and within what a server's clock can subtract. */
    private static void requireSane(String what, Duration duration) {
        if (duration.compareTo(LedgerResolver.LONGEST) > 0) {
            throw new IllegalArgumentException("the " + what + " is " + duration + ": give at most " + LedgerResolver.LONGEST);
        }
    }

    /** The ledger in a schema, with a minute's skew, and calls of half a minute at most. */
    public static CommitLedger in(CommitSchema schema) {
        return new CommitLedger(schema, LedgerResolver.DEFAULT_SKEW, DEFAULT_LONGEST_CALL);
    }

    /** The ledger in the schema named {@value CommitSchema#STANDARD_NAME}. */
    public static CommitLedger standard() {
        return in(CommitSchema.standard());
    }

    /** This ledger with another skew between clocks. */
    public CommitLedger withAllowedSkew(Duration skew) {
        return new CommitLedger(schema, skew, longestCall);
    }

    /** This ledger written by calls with a longer time limit, or only shorter ones. */
    public CommitLedger withLongestCall(Duration limit) {
        return new CommitLedger(schema, allowedSkew, limit);
    }

    /**
     * Has every engine write this ledger that is not told otherwise, from its next physical connection on.
     *
     * @param dataSource of the tables' owner, not null
     * @throws SQLException if the server refuses
     */
    public void enable(DataSource dataSource) throws SQLException {
        enabled(dataSource, true);
    }

    /**
     * Takes {@link #enable} back. What was written stays, and can still be asked.
     *
     * @param dataSource of the tables' owner, not null
     * @throws SQLException if the server refuses
     */
    public void disable(DataSource dataSource) throws SQLException {
        enabled(dataSource, false);
    }

    static SQLException watermarkMissing(CommitSchema schema) {
        return new SQLException("the watermark row of " + schema.ledger() + " is missing, or row security hides it: run"
                + " schema.sql of this library again");
    }

    private void enabled(DataSource dataSource, boolean enabled) throws SQLException {
        try (Connection connection = CommitSchema.open(dataSource); PreparedStatement update = connection.prepareStatement(
                "UPDATE " + schema.watermark() + " SET enabled = ?")) {
            update.setBoolean(1, enabled);
            if (update.executeUpdate() != 1) {
                throw watermarkMissing(schema);
            }
            if (!connection.getAutoCommit()) {
                connection.commit();
            }
        }
    }

    /**
     * Deletes what is older than an age, keyed rows included. See {@link #purge(DataSource, Duration, Duration)}.
     *
     * @throws IllegalArgumentException as there
     * @throws SQLException             as there
     */
    public LedgerPurge purge(DataSource dataSource, Duration age) throws SQLException {
        return purge(dataSource, age, age);
    }

    /**
     * Deletes what is older than an age, a batch at a time, after raising the ledger's watermark: evidence that is not provably
     * younger than that can from now on only be answered with "unknown". Tombstones go only once every transaction has ended
     * that was running when they were written, and none where the role cannot see when other roles' transactions began.
     *
     * @param dataSource of a role with the rights that {@code schema.sql} names for it, not null
     * @param age        how old a row must be, longer than {@link #allowedSkew} and {@link #longestCall} together
     * @param keyedAge   how old a row with an idempotency key must be, not less than {@code age}: a call with that key may take
     *                   effect again afterwards
     * @throws IllegalArgumentException if an age is too short
     * @throws SQLException             if the server refuses; batches before that stay deleted
     */
    public LedgerPurge purge(DataSource dataSource, Duration age, Duration keyedAge) throws SQLException {
        Duration inUse = allowedSkew.plus(longestCall);
        if (Objects.requireNonNull(age, "age is null: give a Duration").compareTo(inUse) <= 0) {
            throw new IllegalArgumentException("the age is " + age + ", and calls of " + longestCall + " with a clock skew of "
                    + allowedSkew + " may still ask for their rows: give an age longer than " + inUse + ", or another longestCall");
        }
        if (Objects.requireNonNull(keyedAge, "keyedAge is null: give a Duration").compareTo(age) < 0) {
            throw new IllegalArgumentException("the age for rows with a key is " + keyedAge + ": give one of at least " + age);
        }
        requireSane("age", keyedAge);
        try (Connection connection = CommitSchema.open(dataSource)) {
            return new PurgeRun(schema, allowedSkew, connection).run(age, keyedAge);
        }
    }

    /**
     * What the ledger holds. Reads the whole table.
     *
     * @param dataSource of a role that may read it, not null
     * @throws SQLException if the server refuses
     */
    public LedgerFigures figures(DataSource dataSource) throws SQLException {
        String sql = "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE kind = 'tombstone'),"
                + " pg_catalog.count(idempotency_key), pg_catalog.min(written),"
                + " pg_catalog.pg_total_relation_size(?::text::pg_catalog.regclass),"
                + " (SELECT NULLIF(purged_before, '-infinity') FROM " + schema.watermark() + "),"
                + " (SELECT enabled FROM " + schema.watermark() + ") FROM " + schema.ledger();
        try (Connection connection = CommitSchema.open(dataSource); PreparedStatement select = connection.prepareStatement(sql)) {
            select.setString(1, schema.ledger());
            return figures(select);
        }
    }

    private LedgerFigures figures(PreparedStatement select) throws SQLException {
        try (ResultSet row = select.executeQuery()) {
            row.next();
            boolean enabled = row.getBoolean(7);
            if (row.wasNull()) {
                throw watermarkMissing(schema);
            }
            return new LedgerFigures(row.getLong(1), row.getLong(2), row.getLong(3), row.getObject(4, OffsetDateTime.class),
                    row.getLong(5), row.getObject(6, OffsetDateTime.class), enabled);
        }
    }
}
