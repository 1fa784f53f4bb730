package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.SqlComments;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Tells the SQL that would end, restart or loosen the transaction from all other SQL, by the first keyword of each part of
 * the text (PostgreSQL manual, "SQL Commands"). Stateless.
 */
final class SqlGate {

    /** Nearly all SQL has none of these words and is not looked at any closer. */
    private static final Pattern SUSPECT =
            Pattern.compile("\\b(commit|end|rollback|abort|prepare|begin|start)\\b", Pattern.CASE_INSENSITIVE);
    /**
     * Of use only there: by any other statement, once it runs, it is too late to widen (25001); but before PostgreSQL 16 it is
     * not too late to reset (measured), which is a named limit.
     */
    private static final Pattern WIDENS =
            Pattern.compile("\\bread\\b.*\\bwrite\\b|transaction_read_only", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);
    private static final Set<String> WIDENING = Set.of("SET", "RESET");
    private static final Pattern FIRST_WORD = Pattern.compile("[a-z]+", Pattern.CASE_INSENSITIVE);

    private SqlGate() {
    }

    /**
     * Why the text must not be sent, or null if it may.
     *
     * @param standardConforming whether a backslash in a literal is a plain character to the server
     */
    static String refusal(String sql, DriverSupport driver, boolean standardConforming, boolean readOnly) {
        boolean mayWiden = readOnly && WIDENS.matcher(sql).find();
        if (!mayWiden && !SUSPECT.matcher(sql).find()) {
            return null;
        }
        for (String part : driver.split(sql, standardConforming)) {
            String bare = withoutLeadingComments(part);
            if (mayWiden && WIDENING.contains(firstWord(bare)) && WIDENS.matcher(bare).find()) {
                return "a read-only call may not be made writable by SQL: ask for a call that may write";
            }
            if (endsTransaction(bare)) {
                return firstWord(bare) + " is the engine's to send: return to commit, throw or call rollbackOnly() to roll back,"
                        + " use a savepoint for a part of it";
            }
        }
        return null;
    }

    private static boolean endsTransaction(String bare) {
        switch (firstWord(bare)) {
            case "COMMIT":
            case "END":
            case "ABORT":
            case "BEGIN":
            case "START":
                return true;
            case "ROLLBACK":
                return !isToSavepoint(after(bare, "ROLLBACK"));
            case "PREPARE":
                return firstWord(after(bare, "PREPARE")).equals("TRANSACTION");
            default:
                return false;
        }
    }

    private static boolean isToSavepoint(String rest) {
        String word = firstWord(rest);
        boolean filler = word.equals("WORK") || word.equals("TRANSACTION");
        return (filler ? firstWord(after(rest, word)) : word).equals("TO");
    }

    private static String after(String text, String word) {
        return withoutLeadingComments(text.substring(word.length()));
    }

    private static String firstWord(String text) {
        Matcher word = FIRST_WORD.matcher(text);
        return word.lookingAt() ? word.group().toUpperCase(Locale.ROOT) : "";
    }

    private static String withoutLeadingComments(String text) {
        int at = 0;
        while (at < text.length()) {
            if (Character.isWhitespace(text.charAt(at))) {
                at++;
            } else if (text.startsWith("--", at)) {
                at = afterLine(text, at);
            } else if (text.startsWith("/*", at)) {
                at = SqlComments.afterBlock(text, at);
            } else {
                break;
            }
        }
        return text.substring(at);
    }

    /** A line comment ends at either character of a line break (PostgreSQL's scan.l, "non_newline"). */
    private static int afterLine(String text, int from) {
        int at = from;
        while (at < text.length() && text.charAt(at) != '\n' && text.charAt(at) != '\r') {
            at++;
        }
        return at;
    }
}
