package io.github.connecttransactretry.postgres;

import io.github.connecttransactretry.ground.ConflictSite;
import io.github.connecttransactretry.ground.TargetTable;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.postgresql.util.ServerErrorMessage;

/**
 * Reads from an error of the server where it met another transaction: from fields where there are any, else from CONTEXT and a
 * deadlock's DETAIL. Those two are translated, so that no word of them is read, only marks that every translation keeps: a
 * row's place in parentheses, quotation marks, numbers in their order. What does not look so is not understood. Stateless.
 */
final class ServerConflict {

    private static final String DEADLOCK = "40P01";
    /** NAMEDATALEN less one: longer is no name. */
    private static final int LONGEST_NAME = 63;

    private static final String MARK = "[\"«»„“”]";
    private static final String NO_MARK = "[^\"«»„“”]*+";
    private static final String PLACE = "\\(\\d{1,10},\\s?\\d{1,5}\\)";
    /** <pre>while updating tuple (0,1) in relation "account"</pre> with any name between the outermost marks. */
    private static final Pattern PLACE_THEN_NAME = Pattern.compile(
            "[^\"«»„“”(]*+" + PLACE + NO_MARK + MARK + "\\s?(.+?)\\s?" + MARK + NO_MARK);
    /** The other order, as in Chinese and Japanese; only a plain name, since a statement that is quoted could look so. */
    private static final Pattern NAME_THEN_PLACE = Pattern.compile(
            NO_MARK + MARK + "\\s?([\\p{L}\\p{N}_$]+)\\s?" + MARK + "[^\"«»„“”(]*+" + PLACE + NO_MARK);
    /** <pre>SQL statement "UPDATE ..."</pre> of a function of the server; a line of COPY has a number and a comma before it. */
    private static final Pattern STATEMENT = Pattern.compile("[^\"«»„“”\\d,]*+" + MARK + "\\s?(.*)", Pattern.DOTALL);
    private static final Pattern NUMBER = Pattern.compile("\\d+");

    private ServerConflict() {
    }

    /** Of an error; not null. */
    static ConflictSite in(ServerErrorMessage error) {
        String table = error.getTable();
        String relation = table != null ? TargetTable.withoutPublic(error.getSchema() + "." + table) : fromContext(error.getWhere());
        Integer blocker = DEADLOCK.equals(error.getSQLState()) ? blocker(error.getDetail()) : null;
        return new ConflictSite(relation, error.getConstraint(), blocker);
    }

    /** The innermost line is the first; the table's name comes without its schema. Null if it is not understood. */
    static String fromContext(String context) {
        if (context == null) {
            return null;
        }
        String first = context.lines().findFirst().orElse("");
        for (Pattern pattern : List.of(PLACE_THEN_NAME, NAME_THEN_PLACE)) {
            Matcher row = pattern.matcher(first);
            if (row.matches()) {
                return row.group(1).getBytes(StandardCharsets.UTF_8).length <= LONGEST_NAME ? row.group(1) : null;
            }
        }
        Matcher statement = STATEMENT.matcher(context);
        return statement.matches() ? TargetTable.of(statement.group(1)) : null;
    }

    /**
     * <pre>Process 11 waits for ShareLock on transaction 755; blocked by process 12.</pre> The first line is that of the process
     * that got the error; each begins with one that waits and ends with the one that it waits for. Null unless that makes a ring.
     */
    static Integer blocker(String detail) {
        Set<String> waiting = new HashSet<>();
        Set<String> blocking = new HashSet<>();
        String first = null;
        for (String line : detail == null ? List.<String>of() : detail.lines().toList()) {
            List<String> numbers = NUMBER.matcher(line).results().map(MatchResult::group).toList();
            if (numbers.size() < 2) {
                return null;
            }
            waiting.add(numbers.get(0));
            String last = numbers.get(numbers.size() - 1);
            blocking.add(last);
            first = first == null ? last : first;
        }
        return first == null || !waiting.equals(blocking) ? null : pid(first);
    }

    private static Integer pid(String digits) {
        try {
            return Integer.valueOf(digits);
        } catch (NumberFormatException noPid) {
            return null;
        }
    }
}
