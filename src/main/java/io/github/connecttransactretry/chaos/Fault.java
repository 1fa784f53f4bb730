package io.github.connecttransactretry.chaos;

import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What goes wrong at a {@link Place}. All but {@link #raise} end the connection: the caller gets an SQLException with SQLSTATE
 * 08006 (08001 if connecting is refused), and the driver's connection is closed, so that a pool throws it away. Immutable, and
 * equal if it does the same.
 */
public final class Fault {

    /** The connection ends before the statement or COMMIT is sent: the server rolls back. */
    public static final Fault CUT_BEFORE = new Fault(Kind.CUT_BEFORE, null, null, null, 0);

    /** The server has done it, the connection ends before the caller hears of it. At COMMIT: committed, and the caller gets 08006. */
    public static final Fault LOSE_ANSWER = new Fault(Kind.LOSE_ANSWER, null, null, null, 0);

    /**
     * For COMMIT alone. The caller gets 08006 at once, while the COMMIT is still on its way and the server's side of the connection
     * lives on with all its locks. It arrives at {@link FaultyDataSource#deliverLate()} or {@link FaultyDataSource#close()}, in vain
     * if the server has ended that backend before. Above a pool it arrives when the next connection is asked for, as its own
     * is missing in the pool until then.
     */
    public static final Fault DELIVER_LATE = new Fault(Kind.DELIVER_LATE, null, null, null, 0);

    /** Nothing is sent and nothing comes back, until the time is over: see {@link #lasting}. The server rolls back then. */
    public static final Fault SILENCE_BEFORE = new Fault(Kind.SILENCE_BEFORE, null, null, null, 0);

    /** The server has done it, and nothing comes back, until the time is over: see {@link #lasting}. */
    public static final Fault SILENCE_AFTER = new Fault(Kind.SILENCE_AFTER, null, null, null, 0);

    /** For connecting alone: refused with 08001. */
    public static final Fault REFUSE = new Fault(Kind.REFUSE, null, null, null, 0);

    private static final Duration LONGEST_SILENCE = Duration.ofMinutes(1);

    private static final Pattern SQLSTATE = Pattern.compile("[0-9A-Z]{5}");
    private static final Set<String> NO_ERRORS = Set.of("00", "01", "02");
    private static final Set<String> WITHOUT_SERVER = Set.of("08", "57P02", "57P03");

    private final Kind kind;
    private final String sqlState;
    private final Duration silence;
    private final Duration outage;
    private final int refusals;

    private Fault(Kind kind, String sqlState, Duration silence, Duration outage, int refusals) {
        this.kind = kind;
        this.sqlState = sqlState;
        this.silence = silence;
        this.outage = outage;
        this.refusals = refusals;
    }

    enum Kind {
        CUT_BEFORE, LOSE_ANSWER, DELIVER_LATE, SILENCE_BEFORE, SILENCE_AFTER, REFUSE, RAISE
    }

    /**
     * The server itself raises an error with this SQLSTATE in the transaction, instead of running the statement: the transaction
     * has failed, as after an error of its own. At COMMIT it is rolled back, as by a deferred constraint. 57P01 is raised by
     * {@code pg_terminate_backend} and ends the connection, every other one by a DO block of PL/pgSQL.
     *
     * @param sqlState five digits or capital letters, for example 40001
     * @return the fault
     * @throws IllegalArgumentException if no server would raise it in a transaction
     */
    public static Fault raise(String sqlState) {
        Objects.requireNonNull(sqlState, "sqlState");
        if (!SQLSTATE.matcher(sqlState).matches()) {
            throw new IllegalArgumentException("\"" + sqlState + "\" is no SQLSTATE: it has five digits or capital letters, such as"
                    + " 40001");
        }
        if (NO_ERRORS.contains(sqlState.substring(0, 2))) {
            throw new IllegalArgumentException(sqlState + " is of class " + sqlState.substring(0, 2) + ", which is no error: name one"
                    + " that is, such as 40001");
        }
        if (WITHOUT_SERVER.contains(sqlState) || WITHOUT_SERVER.contains(sqlState.substring(0, 2))) {
            throw new IllegalArgumentException("no living server raises " + sqlState + " in a transaction: cut the connection with"
                    + " CUT_BEFORE or LOSE_ANSWER, end it with raise(\"57P01\"), or refuse connections");
        }
        return new Fault(Kind.RAISE, sqlState, null, null, 0);
    }

    /**
     * The same silence, but so long at most. It ends sooner if the connection is aborted or closed, or at its network timeout
     * (pgjdbc's {@code socketTimeout}); if nothing is said it ends after a minute.
     *
     * @param atMost more than zero
     * @return the fault
     * @throws IllegalArgumentException if this is no silence, or the time is not more than zero
     */
    public Fault lasting(Duration atMost) {
        if (!isSilence()) {
            throw new IllegalArgumentException(this + " is no silence: lasting(...) is for SILENCE_BEFORE and SILENCE_AFTER");
        }
        return new Fault(kind, sqlState, positive(atMost, "silence"), outage, refusals);
    }

    /**
     * The same, and for so long afterwards every connect is refused. Connections that live are left alone.
     *
     * @param time more than zero
     * @return the fault
     * @throws IllegalArgumentException if the time is not more than zero
     */
    public Fault thenRefusing(Duration time) {
        return new Fault(kind, sqlState, silence, positive(time, "outage"), refusals);
    }

    /**
     * The same, and so many connects afterwards are refused. Connections that live are left alone.
     *
     * @param connects 1 or more
     * @return the fault
     * @throws IllegalArgumentException if it is less than 1
     */
    public Fault thenRefusing(int connects) {
        if (connects < 1) {
            throw new IllegalArgumentException(connects + " connects cannot be refused: say 1 or more");
        }
        return new Fault(kind, sqlState, silence, outage, connects);
    }

    private static Duration positive(Duration time, String what) {
        if (Objects.requireNonNull(time, what).isNegative() || time.isZero()) {
            throw new IllegalArgumentException("the " + what + " cannot last " + time + ": say more than zero");
        }
        return time;
    }

    Kind kind() {
        return kind;
    }

    /** Of {@link Kind#RAISE} alone. */
    String sqlState() {
        return sqlState;
    }

    boolean isSilence() {
        return kind == Kind.SILENCE_BEFORE || kind == Kind.SILENCE_AFTER;
    }

    Duration silence() {
        return silence == null ? LONGEST_SILENCE : silence;
    }

    /** How long connects are refused afterwards, or null. */
    Duration outage() {
        return outage;
    }

    int refusals() {
        return refusals;
    }

    /** This fault, if it can happen there. */
    Fault requireFits(Place place) {
        boolean fits = switch (kind) {
            case REFUSE -> place == Place.CONNECT;
            case DELIVER_LATE -> place == Place.COMMIT;
            default -> place != Place.CONNECT;
        };
        if (!fits) {
            throw new IllegalArgumentException(this + " cannot happen at " + place + ": " + (place == Place.CONNECT
                    ? "connecting can only be REFUSEd" : "REFUSE is for connecting, and DELIVER_LATE for COMMIT"));
        }
        return this;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Fault && other.toString().equals(toString());
    }

    @Override
    public int hashCode() {
        return toString().hashCode();
    }

    /** All of it, in one line. */
    @Override
    public String toString() {
        return (kind == Kind.RAISE ? "raise " + sqlState : kind.name())
                + (silence == null ? "" : " lasting " + silence)
                + (outage == null ? "" : " then refusing for " + outage)
                + (refusals == 0 ? "" : " then refusing " + refusals);
    }
}
