package io.github.connecttransactretry.ground;

/** Comments in SQL. Stateless. */
public final class SqlComments {

    private SqlComments() {
    }

    /**
     * Where a block comment ends. They nest in PostgreSQL (manual, 4.1.5), which no regular expression follows.
     *
     * @param text not null
     * @param from where the comment begins
     * @return the place behind it; the text's end if it is not closed
     */
    public static int afterBlock(String text, int from) {
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
