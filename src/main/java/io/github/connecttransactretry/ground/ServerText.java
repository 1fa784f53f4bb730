package io.github.connecttransactretry.ground;

import java.nio.charset.StandardCharsets;

/** Texts of the user's on their way into PostgreSQL. Stateless. */
public final class ServerText {

    private ServerText() {
    }

    /** The name as a quoted identifier of SQL (manual, 4.1.1 "Identifiers and Key Words"). */
    public static String quoted(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }

    /** Whether a column can keep it: a NUL it cannot, nor half a surrogate pair. */
    public static boolean isStorable(String text) {
        return text.indexOf('\0') < 0 && StandardCharsets.UTF_8.newEncoder().canEncode(text);
    }
}
