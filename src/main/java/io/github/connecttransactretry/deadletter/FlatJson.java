package io.github.connecttransactretry.deadletter;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One JSON object (RFC 8259) whose values are strings, or null for what is left out. What it writes is ASCII in one line; it
 * reads whatever such object another program has made of it.
 */
final class FlatJson {

    private static final String SHORT = "\"\\/bfnrt";
    private static final String MEANT = "\"\\/\b\f\n\r\t";

    private final String text;
    private int at;

    private FlatJson(String text) {
        this.text = text;
    }

    static String print(Map<String, String> fields) {
        StringBuilder out = new StringBuilder("{");
        fields.forEach((name, value) -> {
            if (value != null) {
                quote(out.length() == 1 ? out : out.append(','), name);
                quote(out.append(':'), value);
            }
        });
        return out.append('}').toString();
    }

    private static void quote(StringBuilder out, String value) {
        out.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            int known = MEANT.indexOf(c);
            if (known >= 0 && c != '/') {
                out.append('\\').append(SHORT.charAt(known));
            } else if (c < ' ' || c > '~') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }

    static Map<String, String> parse(String text) {
        return new FlatJson(text).object();
    }

    private Map<String, String> object() {
        Map<String, String> fields = new LinkedHashMap<>();
        expect('{');
        if (peek() == '}') {
            at++;
        } else {
            field(fields);
            while (peek() == ',') {
                at++;
                field(fields);
            }
            expect('}');
        }
        if (peek() != 0) {
            throw broken("nothing more");
        }
        return fields;
    }

    private void field(Map<String, String> fields) {
        String name = string();
        expect(':');
        String value = null;
        if (peek() == 'n' && text.startsWith("null", at)) {
            at += "null".length();
        } else {
            value = string();
        }
        if (fields.containsKey(name)) {
            throw broken("each field once");
        }
        fields.put(name, value);
    }

    private String string() {
        expect('"');
        StringBuilder value = new StringBuilder();
        while (true) {
            char c = next();
            if (c == '"') {
                return value.toString();
            }
            if (c < ' ') {
                throw broken("no control character");
            }
            value.append(c == '\\' ? escaped() : c);
        }
    }

    private char escaped() {
        char c = next();
        if (c == 'u') {
            int code = 0;
            for (int i = 0; i < 4; i++) {
                int digit = Character.digit(next(), 16);
                if (digit < 0) {
                    throw broken("four hexadecimal digits");
                }
                code = code * 16 + digit;
            }
            return (char) code;
        }
        int known = SHORT.indexOf(c);
        if (known < 0) {
            throw broken("an escape of JSON's");
        }
        return MEANT.charAt(known);
    }

    private char next() {
        if (at >= text.length()) {
            throw broken("more");
        }
        return text.charAt(at++);
    }

    /** The next character that is no white space, 0 at the end. */
    private char peek() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private void expect(char c) {
        if (peek() != c) {
            throw broken("a " + c);
        }
        at++;
    }

    private IllegalArgumentException broken(String expected) {
        return new IllegalArgumentException("this is no dead letter: expected " + expected + " at character " + at
                + " of " + text.length() + "; give a line that DeadLetter.toJson() wrote");
    }
}
