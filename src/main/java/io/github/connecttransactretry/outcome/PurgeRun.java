package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.ground.OwnTransaction;
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

    private static final String BEFORE = "pg_catalog.now() - ? * interval '1 microsecond'";

    private static final String OPEN =
            "SELECT pg_catalog.min(a.xact_start), pg_catalog.bool_or(a.backend_start IS NULL OR a.state = 'disabled')"
            + " FROM pg_catalog.pg_stat_activity a"
            + " WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()";

    private final CommitSchema schema;
    private final Duration allowedSkew;
    private final Connection connection;

    PurgeRun(CommitSchema schema, Duration allowedSkew, Connection connection) {
        this.allowedSkew = allowedSkew;
        this.schema = schema;
        this.connection = connection;
    }

    LedgerPurge run(Duration age, Duration keyedAge) throws SQLException {
        return OwnTransaction.run(connection, own -> {
            Limits limits = raise(age, keyedAge);
            long rows = 0;
            long batch;
            do {
                batch = deleteRows(limits);
                rows += batch;
                next();
            } while (batch == BATCH);
            return tombstones(limits, rows);
        });
    }

    private void next() throws SQLException {
        connection.commit();
        begin();
    }

    private void begin() throws SQLException {
        try (Statement begin = connection.createStatement()) {
            begin.execute(OwnTransaction.READ_COMMITTED);
        }
    }

    /** The watermark, and before when a row and a row with a key must have been written to go: the ages count from now. */
    private record Limits(OffsetDateTime watermark, OffsetDateTime rows, OffsetDateTime keyedRows) {
    }

    /** In the transaction of the first batch; the others come after it. */
    private Limits raise(Duration age, Duration keyedAge) throws SQLException {
        begin();
        try (PreparedStatement update = connection.prepareStatement("UPDATE " + schema.watermark()
                + " SET purged_before = GREATEST(purged_before, " + BEFORE + ") RETURNING purged_before, " + BEFORE + ", " + BEFORE)) {
            update.setLong(1, micros(age));
            update.setLong(2, micros(age));
            update.setLong(3, micros(keyedAge));
            try (ResultSet row = update.executeQuery()) {
                if (!row.next()) {
                    throw CommitLedger.watermarkMissing(schema);
                }
                return new Limits(row.getObject(1, OffsetDateTime.class), row.getObject(2, OffsetDateTime.class),
                        row.getObject(3, OffsetDateTime.class));
            }
        }
    }

    private static long micros(Duration age) {
        return age.toNanos() / 1000;
    }

    private long deleteRows(Limits limits) throws SQLException {
        return delete("kind = 'committed' AND written < ? AND (idempotency_key IS NULL OR written < ?)", limits.rows(),
                limits.keyedRows());
    }

    private long delete(String which, OffsetDateTime... limits) throws SQLException {
        try (PreparedStatement delete = connection.prepareStatement("DELETE FROM " + schema.ledger() + " WHERE token IN (SELECT token"
                + " FROM " + schema.ledger() + " WHERE " + which + BATCH_OF)) {
            for (int i = 0; i < limits.length; i++) {
                delete.setObject(i + 1, limits[i]);
            }
            return delete.executeUpdate();
        }
    }

    private LedgerPurge tombstones(Limits limits, long rows) throws SQLException {
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
            batch = deleteTombstones(oldestOpen == null ? limits.rows() : earlier(oldestOpen.minus(allowedSkew), limits.rows()));
            deleted += batch;
            next();
        }
        return new LedgerPurge(limits.watermark(), rows, deleted, hidden ? null : oldestOpen, hidden);
    }

    private static OffsetDateTime earlier(OffsetDateTime one, OffsetDateTime other) {
        return one.isBefore(other) ? one : other;
    }

    private long deleteTombstones(OffsetDateTime before) throws SQLException {
        return delete("kind = 'tombstone' AND written < ?", before);
    }
}
