package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.DriverSupport;
import java.util.Locale;
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
    private static final Pattern WIDENS = Pattern.compile("\\bread\\s+write\\b|transaction_read_only", Pattern.CASE_INSENSITIVE);
    private static final Pattern ROLLBACK_TO =
            Pattern.compile("rollback\\s+((work|transaction)\\s+)?to\\b.*", Pattern.CASE_INSENSITIVE | Pattern.DOTALL);
    private static final Pattern FIRST_WORD = Pattern.compile("[a-z]+", Pattern.CASE_INSENSITIVE);

    private SqlGate() {
    }

    /** Why the text must not be sent, or null if it may. */
    static String refusal(String sql, DriverSupport driver, boolean readOnly) {
        if (readOnly && WIDENS.matcher(sql).find()) {
            return "a read-only call may not be made writable by SQL: ask for a call that may write";
        }
        if (!SUSPECT.matcher(sql).find()) {
            return null;
        }
        for (String part : driver.split(sql)) {
            String bare = withoutLeadingComments(part);
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
                return !ROLLBACK_TO.matcher(bare).matches();
            case "PREPARE":
                return "TRANSACTION".equals(firstWord(withoutLeadingComments(bare.substring("PREPARE".length()))));
            default:
                return false;
        }
    }

    private static String firstWord(String text) {
        Matcher word = FIRST_WORD.matcher(text);
        return word.lookingAt() ? word.group().toUpperCase(Locale.ROOT) : "";
    }

    /** Block comments nest in PostgreSQL (manual, 4.1.5), which no regular expression follows. */
    private static String withoutLeadingComments(String text) {
        int at = 0;
        while (at < text.length()) {
            if (Character.isWhitespace(text.charAt(at))) {
                at++;
            } else if (text.startsWith("--", at)) {
                int end = text.indexOf('\n', at);
                at = end < 0 ? text.length() : end;
            } else if (text.startsWith("/*", at)) {
                at = afterComment(text, at);
            } else {
                break;
            }
        }
        return text.substring(at);
    }

    private static int afterComment(String text, int from) {
        int depth = 0;
        int at = from;
        do {
            if (text.startsWith("/*", at)) {
                depth++;
                at += 2;
            } else if (text.startsWith("*/", at)) {
                depth--;
                at += 2;
            } else {
                at++;
            }
        } while (depth > 0 && at < text.length());
        return at;
    }
}
