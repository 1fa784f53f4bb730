package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.SqlText;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a client has prepared and bound in one session, to know which SQL an Execute means (chapter "Frontend/Backend
 * Protocol, Message Formats" of the PostgreSQL manual). Not thread-safe.
 */
final class FrontendStatements {

    private final Map<String, String> prepared = new HashMap<>();
    private final Map<String, String> portals = new HashMap<>();
    private List<String> executed = new ArrayList<>();

    /** Takes note of one message. */
    void see(byte type, byte[] body) {
        Texts texts = new Texts(body);
        switch (type) {
            case 'P' -> prepared.put(texts.next(), texts.next().strip());
            case 'B' -> portals.put(texts.next(), statement(texts.next()));
            case 'E' -> executed.add(portals.getOrDefault(texts.next(), ""));
            case 'Q' -> executed.addAll(SqlText.split(texts.next()));
            case 'C' -> close(texts);
            default -> {
                // Describe, Flush, Sync and the like execute nothing.
            }
        }
    }

    /** What was executed since the last call of {@link #takeExecuted}. */
    List<String> executed() {
        return List.copyOf(executed);
    }

    /** What a Bind with this beginning of its body is about to execute. */
    String boundBy(byte[] beginningOfBody) {
        Texts texts = new Texts(beginningOfBody);
        texts.next();
        return statement(texts.next());
    }

    List<String> takeExecuted() {
        List<String> taken = executed;
        executed = new ArrayList<>();
        return taken;
    }

    private String statement(String name) {
        return prepared.getOrDefault(name, "");
    }

    private void close(Texts texts) {
        char kind = texts.letter();
        (kind == 'S' ? prepared : portals).remove(texts.next());
    }

    /** The zero-ended texts of a message, one after the other. */
    private static final class Texts {

        private final byte[] bytes;
        private int at;

        Texts(byte[] bytes) {
            this.bytes = bytes;
        }

        char letter() {
            return (char) bytes[at++];
        }

        String next() {
            int end = at;
            while (end < bytes.length && bytes[end] != 0) {
                end++;
            }
            String text = new String(bytes, Math.min(at, bytes.length), end - Math.min(at, bytes.length), StandardCharsets.UTF_8);
            at = end + 1;
            return text;
        }
    }
}
