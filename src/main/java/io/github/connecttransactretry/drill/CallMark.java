package io.github.connecttransactretry.drill;

import java.util.List;
import java.util.Optional;

/**
 * What a call writes into the first statement of each attempt, as a comment, for the proxy to read. Immutable.
 *
 * @param call the call's name, without a blank
 * @param remainingMillis what is left of its time
 */
record CallMark(String call, long remainingMillis) {

    private static final String BEGIN = "/*call ";
    private static final String END = "*/ ";

    String comment() {
        return BEGIN + call + " " + remainingMillis + END;
    }

    /** The mark in one of the statements, if there is one. */
    static Optional<CallMark> in(List<String> statements) {
        return statements.stream().filter(sql -> sql.contains(BEGIN)).findFirst().map(sql -> {
            int begin = sql.indexOf(BEGIN) + BEGIN.length();
            String[] words = sql.substring(begin, sql.indexOf(END, begin)).split(" ");
            return new CallMark(words[0], Long.parseLong(words[1]));
        });
    }
}
