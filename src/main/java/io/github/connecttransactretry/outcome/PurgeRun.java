package io.github.connecttransactretry.outcome;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.OffsetDateTime;

/** One purge of one ledger. For one thread. */
final class PurgeRun {

    private static final int BATCH = 10_000;

    /** Rows that a resolver holds are left for the next purge: to wait for them while holding the watermark would be a deadlock. */
    private static final String BATCH_OF = " LIMIT " + BATCH + " FOR UPDATE SKIP LOCKED)";

    private static final String OPEN =
            "SELECT pg_catalog.min(a.xact_start), pg_catalog.bool_or(a.backend_start IS NULL) FROM pg_catalog.pg_stat_activity a"
            + " WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()";

    private final CommitSchema schema;
    private final Connection connection;

    PurgeRun(CommitSchema schema, Connection connection) {
        this.schema = schema;
        this.connection = connection;
    }

    LedgerPurge run(Duration age, Duration keyedAge) throws SQLException {
        boolean autoCommit = connection.getAutoCommit();
        connection.setAutoCommit(false);
        try {
            OffsetDateTime watermark = raise(age);
            long rows = 0;
            long batch;
            do {
                batch = deleteRows(watermark, keyedAge.minus(age));
                rows += batch;
                next();
            } while (batch == BATCH);
            return tombstones(watermark, rows);
        } catch (SQLException refused) {
            connection.rollback();
            throw refused;
        } finally {
            connection.setAutoCommit(autoCommit);
        }
    }

    private void next() throws SQLException {
        connection.commit();
        begin();
    }

    private void begin() throws SQLException {
        try (Statement begin = connection.createStatement()) {
            begin.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE");
        }
    }

    /** In the transaction of the first batch; the others come after it. */
    private OffsetDateTime raise(Duration age) throws SQLException {
        begin();
        try (PreparedStatement update = connection.prepareStatement("UPDATE " + schema.watermark()
                + " SET purged_before = GREATEST(purged_before, pg_catalog.now() - ? * interval '1 microsecond')"
                + " RETURNING purged_before")) {
            update.setLong(1, age.toNanos() / 1000);
            try (ResultSet row = update.executeQuery()) {
                if (!row.next()) {
                    throw new SQLException("the watermark row of " + schema.ledger() + " is missing, or row security hides it:"
                            + " run schema.sql of this library again");
                }
                return row.getObject(1, OffsetDateTime.class);
            }
        }
    }

    private long deleteRows(OffsetDateTime watermark, Duration keptLonger) throws SQLException {
        try (PreparedStatement delete = connection.prepareStatement("DELETE FROM " + schema.ledger() + " WHERE token IN (SELECT token"
                + " FROM " + schema.ledger() + " WHERE kind = 'committed' AND written < ?"
                + " AND (idempotency_key IS NULL OR written < ?)" + BATCH_OF)) {
            delete.setObject(1, watermark);
            delete.setObject(2, watermark.minus(keptLonger));
            return delete.executeUpdate();
        }
    }

    private LedgerPurge tombstones(OffsetDateTime watermark, long rows) throws SQLException {
        OffsetDateTime oldestOpen;
        boolean hidden;
        try (Statement select = connection.createStatement(); ResultSet row = select.executeQuery(OPEN)) {
            row.next();
            oldestOpen = row.getObject(1, OffsetDateTime.class);
            hidden = row.getBoolean(2);
        }
        long deleted = 0;
        long batch = hidden ? 0 : BATCH;
        while (batch == BATCH) {
            batch = deleteTombstones(oldestOpen != null && oldestOpen.isBefore(watermark) ? oldestOpen : watermark);
            deleted += batch;
            next();
        }
        connection.commit();
        return new LedgerPurge(watermark, rows, deleted, hidden ? null : oldestOpen, hidden);
    }

    private long deleteTombstones(OffsetDateTime before) throws SQLException {
        try (PreparedStatement delete = connection.prepareStatement("DELETE FROM " + schema.ledger() + " WHERE token IN (SELECT token"
                + " FROM " + schema.ledger() + " WHERE kind = 'tombstone' AND written < ?" + BATCH_OF)) {
            delete.setObject(1, before);
            return delete.executeUpdate();
        }
    }
}
