package io.github.connecttransactretry.ground;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The table that a statement of SQL writes or locks, where its first words say so. PostgreSQL's 40001 names no table (measured
 * on 15 and 17), so that this is all there is. No parser: what does not begin plainly has no answer rather than a wrong one.
 * Stateless.
 */
public final class TargetTable {

    /** The name stands at the beginning; and a group that repeats uses the stack. */
    private static final int LOOKED_AT = 1000;

    private static final String GAP = "(?:\\s|--[^\\n\\r]*+|/\\*[^*]*+(?:\\*(?!/)[^*]*+)*+\\*/)";
    private static final String NAME = "(?:\"(?:[^\"]|\"\")++\"|[\\p{L}_][\\p{L}\\p{N}_$]*+)";
    private static final String NAMES = "(" + NAME + "(?:\\s*+\\.\\s*+" + NAME + "){0,2}+)";
    private static final String ONLY = "(?:ONLY\\s++)?+";

    private static final Pattern WRITES = pattern(
            "(?:UPDATE|DELETE\\s++FROM|INSERT\\s++INTO|MERGE\\s++INTO|LOCK(?:\\s++TABLE)?+)\\s++" + ONLY + NAMES);
    /**
     * Parentheses are passed over whole: EXTRACT has a FROM of its own, and so has IS DISTINCT FROM. A name with a parenthesis
     * behind it is a function.
     */
    private static final Pattern READS = pattern(
            "(SELECT\\s(?:[^('\"$;]|\\([^()'\"]*+\\))*?)(?<!\\sDISTINCT\\s{0,9})\\sFROM\\s++" + ONLY + NAMES + "(?!\\s*+\\()");
    private static final Pattern ALL_NAMES = Pattern.compile(NAMES);
    private static final Pattern ONE_NAME = Pattern.compile(NAME);

    private TargetTable() {
    }

    private static Pattern pattern(String statement) {
        return Pattern.compile(GAP + "*+" + statement, Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE);
    }

    /**
     * The table's unquoted name as the statement gives it, without {@code public}, or null if its first words do not say it:
     * it begins with WITH, or is more than one statement.
     *
     * @param sql may be null
     */
    public static String of(String sql) {
        if (sql == null) {
            return null;
        }
        int semicolon = sql.indexOf(';');
        if (semicolon >= 0 && !sql.substring(semicolon + 1).isBlank()) {
            return null;
        }
        String beginning = sql.substring(0, Math.min(sql.length(), LOOKED_AT));
        Matcher found = WRITES.matcher(beginning);
        if (found.lookingAt()) {
            return unquoted(found.group(1));
        }
        found = READS.matcher(beginning);
        // A comment among the columns may hold anything.
        boolean plain = found.lookingAt() && !found.group(1).contains("--") && !found.group(1).contains("/*");
        return plain ? unquoted(found.group(2)) : null;
    }

    /** Without the schema that hardly anybody writes, so that a table has one name however it was learnt. */
    public static String withoutPublic(String name) {
        return name.startsWith("public.") ? name.substring("public.".length()) : name;
    }

    /** A table's name as SQL writes it, in the form that {@link #of} gives; what is no such name stays as it is. */
    public static String plain(String name) {
        return ALL_NAMES.matcher(name).matches() ? unquoted(name) : name;
    }

    private static String unquoted(String names) {
        StringBuilder plain = new StringBuilder();
        Matcher name = ONE_NAME.matcher(names);
        while (name.find()) {
            String one = name.group();
            plain.append(plain.isEmpty() ? "" : ".");
            plain.append(one.startsWith("\"") ? one.substring(1, one.length() - 1).replace("\"\"", "\"") : one.toLowerCase(Locale.ROOT));
        }
        return withoutPublic(plain.toString());
    }
}
