package io.github.connecttransactretry.observe;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.SqlState;
import io.github.connecttransactretry.classify.Verdict;
import java.sql.SQLException;
import java.time.Duration;
import java.util.regex.Pattern;

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
 * @param conflict where it met another transaction; null if it was no conflict
 */
public record AttemptFailure(int attempt, Phase phase, String sqlState, Verdict verdict, String message,
                             Duration duration, Duration delay, Conflict conflict) {

    private static final int LONGEST_MESSAGE = 200;
    /** No chain of causes is so long, but one may be a ring. */
    private static final int DEEPEST = 50;

    /** A JDBC URL that nobody understands is quoted whole by DriverManager, its password included. */
    private static final Pattern PASSWORD = Pattern.compile("(password=)[^&;\\s]*|(://)[^/@\\s]*(?=@)", Pattern.CASE_INSENSITIVE);

    /** One that was no conflict. */
    public AttemptFailure(int attempt, Phase phase, String sqlState, Verdict verdict, String message, Duration duration,
                          Duration delay) {
        this(attempt, phase, sqlState, verdict, message, duration, delay, null);
    }

    /**
     * The first line of what an exception says, cut to a length that a log line bears, without passwords. Of a chain of
     * causes the innermost one with the SQLSTATE speaks: a framework or a batch around it would quote the user's SQL, and a
     * pool would only say that it has no connection.
     */
    public static String firstLine(Throwable thrown) {
        Throwable speaker = speaker(thrown);
        String text = speaker.getMessage() == null ? speaker.getClass().getSimpleName() : speaker.getMessage();
        String first = Conflict.printable(text.lines().findFirst().orElse(""));
        String line = PASSWORD.matcher(first).replaceAll("$1$2***");
        return line.length() <= LONGEST_MESSAGE ? line : line.substring(0, LONGEST_MESSAGE) + "...";
    }

    private static Throwable speaker(Throwable thrown) {
        SQLException speaker = SqlState.carrier(thrown).orElse(null);
        if (speaker == null) {
            return thrown;
        }
        for (int depth = 0; depth < DEEPEST && speaker.getCause() instanceof SQLException; depth++) {
            SQLException cause = (SQLException) speaker.getCause();
            if (!speaker.getSQLState().equals(cause.getSQLState())) {
                return speaker;
            }
            speaker = cause;
        }
        return speaker;
    }

    /** In a few words: phase, SQLSTATE, message. */
    public String describe() {
        return phase + (sqlState == null ? ": " : " " + sqlState + ": ") + message;
    }

    /** This failure with the wait that follows it. */
    public AttemptFailure withDelay(Duration wait) {
        return new AttemptFailure(attempt, phase, sqlState, verdict, message, duration, wait, conflict);
    }
}
