package io.github.connecttransactretry.lab;

import java.time.Duration;
import java.util.Map;
import java.util.Objects;

/**
 * The calls of a scenario: money transfers, each of which leaves its row for the audit. Immutable.
 *
 * @param threads      that make calls, one after another each
 * @param calls        at least so many; the work goes on while the time line does
 * @param accounts     that money lies on: the fewer, the more calls meet
 * @param timeout      of a call
 * @param answerWithin how long a client waits for an answer of the server ({@code socketTimeout}); zero is for ever
 * @param serializable whether the calls run at SERIALIZABLE rather than at the session's own level
 * @param session      settings of the clients' sessions by name
 * @param asksPastFaults whether the engine has a road past the faults for its questions (its {@code resolverDataSource})
 * @param looksWhenUnknown whether a caller whose call stayed unknown looks into the table, and goes by what it sees
 * @param swallows     the SQLSTATE of an error that the function of every third call provokes and swallows; empty for none
 */
public record Work(int threads, int calls, int accounts, Duration timeout, Duration answerWithin, boolean serializable,
        Map<String, String> session, boolean asksPastFaults, boolean looksWhenUnknown, String swallows) {

    /** Every so manieth call's function swallows an error. */
    private static final int SWALLOWING = 3;

    /** Checks for null and copies the map. */
    public Work {
        Objects.requireNonNull(timeout, "timeout");
        Objects.requireNonNull(answerWithin, "answerWithin");
        Objects.requireNonNull(swallows, "swallows");
        session = Map.copyOf(session);
    }

    /** Whether the function of this call swallows an error. */
    boolean swallowsIn(int call) {
        return !swallows.isEmpty() && call % SWALLOWING == 0;
    }

    /** How many of the first so many calls have a reason of their own to fail, where the function's errors are the fault; else all. */
    int mostFailing(int ended) {
        return swallows.isEmpty() ? ended : ended / SWALLOWING;
    }
}
