package io.github.connecttransactretry.observe;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;
import java.time.Duration;

/**
 * One failed attempt of a call. Immutable.
 *
 * @param attempt  1 for the first
 * @param phase    where it failed
 * @param sqlState the SQLSTATE that explains it, or null if it carries none
 * @param verdict  what was made of it
 * @param message  the first line of the exception's message; what the server or driver said, never null
 * @param duration how long the attempt took
 * @param delay    the wait before the next attempt, zero if there was none
 */
public record AttemptFailure(int attempt, Phase phase, String sqlState, Verdict verdict, String message,
                             Duration duration, Duration delay) {

    private static final int LONGEST_MESSAGE = 200;

    /** The first line of what an exception says, cut to a length that a log line bears. */
    public static String firstLine(Throwable thrown) {
        String text = thrown.getMessage() == null ? thrown.getClass().getSimpleName() : thrown.getMessage();
        String line = text.lines().findFirst().orElse("");
        return line.length() <= LONGEST_MESSAGE ? line : line.substring(0, LONGEST_MESSAGE) + "...";
    }

    /** In a few words: phase, SQLSTATE, message. */
    public String describe() {
        return phase + (sqlState == null ? ": " : " " + sqlState + ": ") + message;
    }

    /** This failure with the wait that follows it. */
    public AttemptFailure withDelay(Duration wait) {
        return new AttemptFailure(attempt, phase, sqlState, verdict, message, duration, wait);
    }
}
