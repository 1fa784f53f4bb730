package io.github.connecttransactretry.outcome;

import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.ground.OwnTransaction;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcome.Unknown;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Objects;

/**
 * Decides by the ledger what becomes of a COMMIT in doubt, and decides it for ever: it writes a tombstone with the same token.
 * If the transaction's own row is there, the transaction is committed; if the tombstone goes in, a late COMMIT fails on it.
 * The answer counts once the COMMIT that carries it is acknowledged, with {@code synchronous_commit} at least {@code on}.
 * Writes nothing for a COMMIT whose token was not sent to this very ledger. Stateless and thread-safe. Not for extension:
 * write a {@link CommitOutcomeResolver}.
 */
public class LedgerResolver implements CommitOutcomeResolver {

    /** How far two readings of the database's clock may lie apart if nothing is said, over failovers too. */
    public static final Duration DEFAULT_SKEW = Duration.ofMinutes(1);

    /** A hundred years. */
    static final Duration LONGEST = Duration.ofDays(36_500);


    /** Longer than a COMMIT takes that goes well, and short enough to look after the backend meanwhile. */
    private static final String READ_COMMITTED =
            OwnTransaction.READ_COMMITTED + "; SET LOCAL lock_timeout = '250ms'; "
            // A role's own time-out would come before the lock's, and pass for another trouble.
            + Seal.FUSE + "; SET LOCAL statement_timeout = 0";

    private final CommitSchema schema;
    private final Duration allowedSkew;
    private final Seal seal = new Seal();

    /** The resolver for the ledger in a schema, with a minute's allowed skew. */
    public LedgerResolver(CommitSchema schema) {
        this(schema, DEFAULT_SKEW);
    }

    /**
     * The resolver for the ledger in a schema.
     *
     * @param schema      not null
     * @param allowedSkew how far the clocks of servers that follow one another may lie apart, not negative
     * @throws IllegalArgumentException if it is negative, or longer than a hundred years
     */
    public LedgerResolver(CommitSchema schema, Duration allowedSkew) {
        this.schema = Objects.requireNonNull(schema, "schema is null: give the one that the ledger is in");
        this.allowedSkew = requireSkew(allowedSkew);
    }

    /** The skew, if it can be one. */
    static Duration requireSkew(Duration skew) {
        if (Objects.requireNonNull(skew, "allowedSkew is null: give a Duration").isNegative()) {
            throw new IllegalArgumentException("the allowed skew is " + skew + ": give a duration that is not negative");
        }
        if (skew.compareTo(LONGEST) > 0) {
            throw new IllegalArgumentException("the allowed skew is " + skew + ": give at most " + LONGEST);
        }
        return skew;
    }

    /** Where the ledger is, not null. */
    public CommitSchema schema() {
        return schema;
    }

    @Override
    public String name() {
        return "ledger";
    }

    @Override
    public boolean needsTransactionId() {
        return false;
    }

    @Override
    public CommitOutcome resolve(OutcomeQuestion question) throws SQLException, InterruptedException {
        if (question.evidence().ledger() == null) {
            return new Unknown("no token of this COMMIT was sent to a ledger, so that none was written");
        }
        for (int round = 1;; round++) {
            CommitOutcome outcome = force(question);
            if (outcome != null) {
                endKnownByTransaction(question, outcome);
                return outcome;
            }
            question.fence();
            question.pause(round);
        }
    }

    /** Behind a pooler the abandoned backend is known by its transaction alone, and only here can be looked after. */
    private static void endKnownByTransaction(OutcomeQuestion question, CommitOutcome outcome) {
        if (outcome instanceof NotCommitted && question.evidence().backend().start() == null) {
            try {
                question.fence();
            } catch (SQLException unreachable) {
                // The answer stands without it.
            }
        }
    }

    /** One try; null if the transaction, or a purge, holds the row. */
    private CommitOutcome force(OutcomeQuestion question) throws SQLException {
        // Before READ WRITE, which a standby refuses with an error that would pass for final (0A000, measured).
        Incarnation here = PrimaryCheck.require(question).incarnation();
        Connection connection = question.connection();
        connection.setAutoCommit(false);
        CommitOutcome outcome;
        try (Statement begin = connection.createStatement()) {
            begin.execute(READ_COMMITTED);
            outcome = decide(question, here);
        } catch (SQLException blocked) {
            if (!SqlState.LOCK_NOT_AVAILABLE.equals(blocked.getSQLState())) {
                throw blocked;
            }
            outcome = null;
        }
        connection.rollback();
        connection.setAutoCommit(true);
        return outcome;
    }

    private CommitOutcome decide(OutcomeQuestion question, Incarnation here) throws SQLException {
        String refusal = notThisLedger(question);
        if (refusal != null) {
            return new Unknown(refusal + ": nothing was written");
        }
        seal.demand(question.connection());
        Found found = tombstone(question.connection(), question.evidence().ledger());
        if (found.fresh() && !isYoungerThanPurges(question)) {
            return new Unknown("the ledger was purged up to a time after this COMMIT may have written its row: it can no longer"
                    + " be known");
        }
        if (!question.commitAcknowledged()) {
            return new Unknown("the ledger has the answer, but the wait for its synchronous replication was cancelled");
        }
        String timeline = here == null ? null : here.timeline();
        return found.kind().equals("committed")
                ? new Committed("its row is in the ledger", timeline)
                : new NotCommitted(found.fresh() ? "a tombstone in the ledger now keeps it out"
                        : "a tombstone in the ledger keeps it out", timeline);
    }

    /** Why this is not the ledger that the token was sent to, or null if it is. */
    private String notThisLedger(OutcomeQuestion question) throws SQLException {
        String where = schema.ledger();
        try (PreparedStatement select = question.connection().prepareStatement(
                "SELECT ledger::text, pg_catalog.current_database() FROM " + schema.watermark());
                ResultSet row = select.executeQuery()) {
            if (!row.next()) {
                return "the watermark row of " + where + " is missing, or row security hides it";
            }
            if (!row.getString(2).equals(question.evidence().database())) {
                return "the token was sent to database " + question.evidence().database() + ", and this is " + row.getString(2);
            }
            return row.getString(1).equals(question.evidence().ledger().ledger().toString()) ? null
                    : "the token was sent to another ledger than " + where;
        } catch (SQLException absent) {
            if (SqlState.UNDEFINED_TABLE.equals(absent.getSQLState())) {
                return "there is no ledger " + where + " here";
            }
            throw absent;
        }
    }

    /** The row that now bears the token, and whether it was put in just now. */
    record Found(String kind, boolean fresh) {
    }

    /** Overridden by tests that break it. */
    Found tombstone(Connection connection, LedgerToken token) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + schema.ledger()
                + " AS l (token, kind) VALUES (?, 'tombstone') ON CONFLICT (token) DO UPDATE SET asked = pg_catalog.now()"
                + " RETURNING l.kind, l.asked IS NULL")) {
            insert.setObject(1, token.token());
            try (ResultSet row = insert.executeQuery()) {
                row.next();
                return new Found(row.getString(1), row.getBoolean(2));
            }
        }
    }

    /** Read after the tombstone and locked with it: read before, a purge could overtake it. */
    private boolean isYoungerThanPurges(OutcomeQuestion question) throws SQLException {
        // The server has microseconds, and the driver would round a nanosecond up.
        Instant youngest = question.evidence().ledger().notBefore().minus(allowedSkew).truncatedTo(ChronoUnit.MICROS);
        try (PreparedStatement select = question.connection().prepareStatement(
                "SELECT purged_before <= ? FROM " + schema.watermark() + " FOR SHARE")) {
            select.setObject(1, OffsetDateTime.ofInstant(youngest, ZoneOffset.UTC));
            try (ResultSet row = select.executeQuery()) {
                return row.next() && row.getBoolean(1);
            }
        }
    }
}
