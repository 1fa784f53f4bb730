package io.github.connecttransactretry.classify;

import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.Optional;
import java.util.Set;

/**
 * The SQLSTATEs that the library itself has to know by name (PostgreSQL manual, Appendix A), and the search for the one
 * that a Throwable carries.
 */
public final class SqlState {

    /** serialization_failure. */
    public static final String SERIALIZATION_FAILURE = "40001";
    /** deadlock_detected. */
    public static final String DEADLOCK_DETECTED = "40P01";
    /** invalid_transaction_state: a connection was used after its attempt. */
    public static final String INVALID_TRANSACTION_STATE = "25000";
    /** invalid_transaction_termination: what the guard says when the function tries to end the transaction. */
    public static final String INVALID_TRANSACTION_TERMINATION = "2D000";
    /** in_failed_sql_transaction: an earlier statement failed, and this one only says so. */
    public static final String IN_FAILED_SQL_TRANSACTION = "25P02";
    /** read_only_sql_transaction. */
    public static final String READ_ONLY_SQL_TRANSACTION = "25006";
    /** feature_not_supported. */
    public static final String FEATURE_NOT_SUPPORTED = "0A000";
    /** connection_does_not_exist: a closed connection was used. */
    public static final String CONNECTION_DOES_NOT_EXIST = "08003";
    /** sqlserver_rejected_establishment_of_sqlconnection. */
    public static final String CONNECTION_REJECTED = "08004";
    /** protocol_violation. */
    public static final String PROTOCOL_VIOLATION = "08P01";
    /** too_many_connections. */
    public static final String TOO_MANY_CONNECTIONS = "53300";
    /** invalid_parameter_value: how pg_xact_status says that a transaction id lies in the future. */
    public static final String INVALID_PARAMETER_VALUE = "22023";
    /** insufficient_privilege. */
    public static final String INSUFFICIENT_PRIVILEGE = "42501";
    /** unique_violation. */
    public static final String UNIQUE_VIOLATION = "23505";
    /** lock_not_available: lock_timeout has passed. */
    public static final String LOCK_NOT_AVAILABLE = "55P03";
    /** undefined_table. */
    public static final String UNDEFINED_TABLE = "42P01";
    /** undefined_column. */
    public static final String UNDEFINED_COLUMN = "42703";
    /** undefined_function. */
    public static final String UNDEFINED_FUNCTION = "42883";
    /** invalid_schema_name: there is no such schema. */
    public static final String INVALID_SCHEMA_NAME = "3F000";
    /** division_by_zero. */
    public static final String DIVISION_BY_ZERO = "22012";
    /** string_data_right_truncation: a text is longer than its column. */
    public static final String STRING_DATA_RIGHT_TRUNCATION = "22001";

    private SqlState() {
    }

    /**
     * The SQLSTATE that explains a failure: the first one down the cause chain and {@code getNextException}, passing over
     * those that only report that something else went wrong before (25P02, and the guard's own 2D000) when a deeper one
     * is there. Guarded against cycles.
     *
     * @param thrown may be null
     */
    public static Optional<String> of(Throwable thrown) {
        return carrier(thrown).map(SQLException::getSQLState);
    }

    /**
     * The exception that carries the SQLSTATE of {@link #of(Throwable)}.
     *
     * @param thrown may be null
     */
    public static Optional<SQLException> carrier(Throwable thrown) {
        SQLException onlyAReport = null;
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        Deque<Throwable> toSee = new ArrayDeque<>();
        push(toSee, thrown);
        while (!toSee.isEmpty()) {
            Throwable next = toSee.removeFirst();
            if (!seen.add(next)) {
                continue;
            }
            push(toSee, next.getCause());
            if (next instanceof SQLException) {
                SQLException sql = (SQLException) next;
                push(toSee, sql.getNextException());
                if (sql.getSQLState() != null && !isOnlyAReport(sql.getSQLState())) {
                    return Optional.of(sql);
                }
                onlyAReport = onlyAReport == null && sql.getSQLState() != null ? sql : onlyAReport;
            }
        }
        return Optional.ofNullable(onlyAReport);
    }

    /** Whether the SQLSTATE says that the connection is lost or was never there: class 08 but for a rejected login, 57P01 to 57P05. */
    public static boolean isConnectionLoss(String sqlState) {
        if (sqlState == null || sqlState.equals(CONNECTION_REJECTED)) {
            return false;
        }
        return sqlState.startsWith("08") || sqlState.equals("57P01") || sqlState.equals("57P02")
                || sqlState.equals("57P03") || sqlState.equals("57P05");
    }

    private static boolean isOnlyAReport(String sqlState) {
        return sqlState.equals(IN_FAILED_SQL_TRANSACTION) || sqlState.equals(INVALID_TRANSACTION_TERMINATION);
    }

    private static void push(Deque<Throwable> toSee, Throwable next) {
        if (next != null) {
            toSee.addLast(next);
        }
    }
}
