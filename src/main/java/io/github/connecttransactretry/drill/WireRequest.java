package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.SqlText;
import java.util.List;
import java.util.Locale;

/**
 * One request of a client as seen on the wire: everything that it sends before it waits for an answer, up to and
 * including the last Sync or Query. What a driver sends in one write, such as its BEGIN and the first statement, is one
 * request. Immutable.
 *
 * @param session number of the session within its proxy, from 1
 * @param ordinal number of the request within its session, from 1; the startup is not counted
 * @param pid process id of the backend as it told the client; 0 if it told none
 * @param statements the SQL texts that the request executes, in order; a simple query's text is taken apart at its
 *     semicolons, and a statement prepared earlier is named by its text, not by its name
 */
public record WireRequest(int session, int ordinal, int pid, List<String> statements) {

    /** Copies the list. */
    public WireRequest {
        statements = List.copyOf(statements);
    }

    /**
     * Whether one of the statements is a COMMIT or END; a COMMIT PREPARED counts as well.
     *
     * @return whether the request commits
     */
    public boolean isCommit() {
        return statements.stream().anyMatch(SqlText::isCommit);
    }

    /**
     * Whether one of the statements is a BEGIN or START TRANSACTION.
     *
     * @return whether the request begins a transaction
     */
    public boolean startsTransaction() {
        return statements.stream().map(SqlText::firstKeyword).anyMatch(word -> word.equals("BEGIN") || word.equals("START"));
    }

    /**
     * Whether one of the statements contains a text, upper and lower case alike.
     *
     * @param text what to look for
     * @return whether it is there
     */
    public boolean mentions(String text) {
        String wanted = text.toLowerCase(Locale.ROOT);
        return statements.stream().anyMatch(sql -> sql.toLowerCase(Locale.ROOT).contains(wanted));
    }
}
