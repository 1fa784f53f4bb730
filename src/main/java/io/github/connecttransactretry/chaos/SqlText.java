package io.github.connecttransactretry.chaos;

import io.github.connecttransactretry.ground.SqlComments;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * An SQL text taken apart at its semicolons, as far as a proxy must know it: quotes, dollar quotes and nested comments
 * are respected (chapter "Lexical Structure" of the PostgreSQL manual). For one thread.
 */
public final class SqlText {

    private final String text;
    private int at;

    private SqlText(String text) {
        this.text = text;
    }

    /**
     * The statements of a text.
     *
     * @param text as it is sent
     * @return without empty ones
     */
    public static List<String> split(String text) {
        return new SqlText(text).statements();
    }

    /**
     * The first word of a statement, past blanks and comments.
     *
     * @param statement one of {@link #split}
     * @return in capital letters; empty if there is none
     */
    public static String firstKeyword(String statement) {
        SqlText sql = new SqlText(statement);
        while (sql.at < statement.length() && !Character.isLetter(statement.charAt(sql.at))) {
            sql.skipToken();
        }
        int begin = sql.at;
        while (sql.at < statement.length() && Character.isLetter(statement.charAt(sql.at))) {
            sql.at++;
        }
        return statement.substring(begin, sql.at).toUpperCase(Locale.ROOT);
    }

    /**
     * Whether a statement commits: COMMIT, or END, which means the same.
     *
     * @param statement one of {@link #split}
     * @return whether it is so
     */
    public static boolean isCommit(String statement) {
        String word = firstKeyword(statement);
        return word.equals("COMMIT") || word.equals("END");
    }

    private List<String> statements() {
        List<String> all = new ArrayList<>();
        int begin = 0;
        while (at < text.length()) {
            // The body of an SQL function has semicolons and an END of its own; what follows it is not looked at.
            if (text.regionMatches(true, at, "BEGIN ATOMIC", 0, 12)) {
                at = text.length();
            } else if (text.charAt(at) == ';') {
                add(all, text.substring(begin, at++));
                begin = at;
            } else {
                skipToken();
            }
        }
        add(all, text.substring(begin));
        return all;
    }

    private static void add(List<String> all, String statement) {
        if (!statement.isBlank()) {
            all.add(statement.strip());
        }
    }

    private void skipToken() {
        char c = text.charAt(at);
        if (c == '\'') {
            boolean escapes = at > 0 && "eE".indexOf(text.charAt(at - 1)) >= 0 && (at < 2 || !isWord(text.charAt(at - 2)));
            skipQuoted('\'', escapes);
        } else if (c == '"') {
            skipQuoted('"', false);
        } else if (text.startsWith("--", at)) {
            int end = text.indexOf('\n', at);
            at = end < 0 ? text.length() : end + 1;
        } else if (text.startsWith("/*", at)) {
            at = SqlComments.afterBlock(text, at);
        } else if (c == '$' && (at == 0 || !isWord(text.charAt(at - 1)))) {
            skipDollarQuoted();
        } else {
            at++;
        }
    }

    private void skipQuoted(char quote, boolean escapes) {
        at++;
        while (at < text.length() && text.charAt(at) != quote) {
            at += escapes && text.charAt(at) == '\\' ? 2 : 1;
        }
        // A doubled quote is two texts side by side for this purpose.
        at = Math.min(at + 1, text.length());
    }

    private void skipDollarQuoted() {
        int end = at + 1;
        while (end < text.length() && isWord(text.charAt(end)) && text.charAt(end) != '$') {
            end++;
        }
        boolean parameter = end > at + 1 && Character.isDigit(text.charAt(at + 1));
        if (end >= text.length() || text.charAt(end) != '$' || parameter) {
            at++;
            return;
        }
        String tag = text.substring(at, end + 1);
        int close = text.indexOf(tag, end + 1);
        at = close < 0 ? text.length() : close + tag.length();
    }

    private static boolean isWord(char c) {
        return Character.isLetterOrDigit(c) || c == '_' || c == '$';
    }
}
