package io.github.connecttransactretry.classify;

import java.sql.SQLTransientException;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * What PostgreSQL's SQLSTATEs mean (manual, Appendix A "PostgreSQL Error Codes" and section 13.5 "Serialization Failure
 * Handling"). Always gives a verdict; never retries 57014 (somebody asked to cancel), 25P02 on its own, 25P04, XX, 3D000,
 * 28, 22, 42 and class 23. Immutable and thread-safe.
 */
public final class PostgresClassifier implements ErrorClassifier {

    private static final Map<String, Verdict> BY_STATE = Map.of(
            SqlState.SERIALIZATION_FAILURE, Verdict.CONFLICT,
            SqlState.DEADLOCK_DETECTED, Verdict.CONFLICT,
            // Aurora DSQL's own codes for data and schema conflicts, where a driver passes them on as SQLSTATE.
            "OC000", Verdict.CONFLICT,
            "OC001", Verdict.CONFLICT,
            SqlState.CONNECTION_REJECTED, Verdict.PERMANENT,
            SqlState.PROTOCOL_VIOLATION, Verdict.POOLER_TROUBLE,
            SqlState.TOO_MANY_CONNECTIONS, Verdict.OVERLOAD);

    /** The codes that {@link #alsoRetrying} takes: each is transient in some programs and a mistake in others. */
    private static final Set<String> OPT_IN =
            Set.of("55P03", "55006", "25P03", "53100", "53200", "58000", "58030", "23505", "23P01");

    private static final PostgresClassifier STANDARD = new PostgresClassifier(Set.of());

    private final Set<String> optedIn;

    private PostgresClassifier(Set<String> optedIn) {
        this.optedIn = optedIn;
    }

    /** The default: conflicts, lost connections, a server that is away, a standby where a primary was wanted. */
    public static PostgresClassifier standard() {
        return STANDARD;
    }

    /**
     * This classifier, retrying more.
     *
     * @param sqlStates any of 55P03, 55006, 25P03, 53100, 53200, 58000, 58030; 23505 and 23P01 too, which then are retried
     *                  under SERIALIZABLE only, where they can be the face of a serialization failure (manual, 13.5)
     * @throws IllegalArgumentException if another code is given: write an {@link ErrorClassifier} for it
     */
    public PostgresClassifier alsoRetrying(String... sqlStates) {
        Set<String> all = new TreeSet<>(optedIn);
        for (String sqlState : sqlStates) {
            if (!OPT_IN.contains(Objects.requireNonNull(sqlState, "sqlState is null: give the code as text, such as \"55P03\""))) {
                throw new IllegalArgumentException("SQLSTATE " + sqlState + " is none of " + new TreeSet<>(OPT_IN)
                        + ": to retry it, give the builder an ErrorClassifier of your own");
            }
            all.add(sqlState);
        }
        return new PostgresClassifier(Set.copyOf(all));
    }

    @Override
    public Optional<Verdict> classify(Failure failure) {
        return Optional.of(failure.sqlState() == null ? withoutState(failure) : byState(failure));
    }

    private static Verdict withoutState(Failure failure) {
        if (failure.phase() == Phase.CONNECT && failure.thrown() instanceof SQLTransientException) {
            return Verdict.SATURATION;
        }
        return failure.connectionLost() && failure.phase() != Phase.CONNECT ? Verdict.OUTAGE : Verdict.PERMANENT;
    }

    private Verdict byState(Failure failure) {
        String state = failure.sqlState();
        Verdict known = BY_STATE.get(state);
        if (known != null) {
            return known;
        }
        // 57P01, 57P02, 57P03 and 57P05 of the server, and class 08 with the AWS driver's 08S01 and 08S02.
        if (SqlState.isConnectionLoss(state)) {
            return Verdict.OUTAGE;
        }
        if (state.equals(SqlState.READ_ONLY_SQL_TRANSACTION)) {
            return failure.writable() ? Verdict.STALE_SERVER : Verdict.PERMANENT;
        }
        if (state.equals(SqlState.FEATURE_NOT_SUPPORTED)) {
            return notSupported(failure);
        }
        return optedIn.contains(state) ? optedIn(failure) : Verdict.PERMANENT;
    }

    private static Verdict notSupported(Failure failure) {
        if ("RevalidateCachedQuery".equals(failure.serverRoutine())) {
            return Verdict.STALE_PLAN;
        }
        // "cannot use serializable mode in a hot standby": the isolation level is all that BEGIN sets, and the other place
        // that raises it is this function of the server.
        boolean standby = failure.phase() == Phase.BEGIN
                || "GetSerializableTransactionSnapshot".equals(failure.serverRoutine());
        return standby && failure.writable() ? Verdict.STALE_SERVER : Verdict.PERMANENT;
    }

    private static Verdict optedIn(Failure failure) {
        if (failure.sqlState().startsWith("23")) {
            return failure.serializable() ? Verdict.SUSPECTED_CONFLICT : Verdict.PERMANENT;
        }
        return failure.connectionLost() ? Verdict.OUTAGE : Verdict.CONFLICT;
    }
}
