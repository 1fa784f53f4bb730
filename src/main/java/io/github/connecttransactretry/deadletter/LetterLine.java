package io.github.connecttransactretry.deadletter;

import java.time.DateTimeException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** A letter as one flat JSON object of strings. */
final class LetterLine {

    private LetterLine() {
    }

    static String print(DeadLetter letter) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("id", letter.id().toString());
        fields.put("when", letter.when().toString());
        fields.put("label", letter.label());
        fields.put("idempotencyKey", letter.idempotencyKey());
        fields.put("fingerprint", letter.fingerprint());
        fields.put("codec", letter.codec());
        fields.put("attempts", Integer.toString(letter.attempts()));
        fields.put("sqlStates", sqlStates(letter));
        fields.put("thrown", letter.thrown());
        fields.put("said", letter.said());
        fields.put("unknown", Boolean.toString(letter.unknown()));
        fields.put("evidence", letter.evidence());
        fields.put("payload", letter.payload());
        return FlatJson.print(fields);
    }

    static DeadLetter parse(String json) {
        Map<String, String> fields = FlatJson.parse(json);
        try {
            return new DeadLetter(id(needed(fields, "id")), Instant.parse(needed(fields, "when")),
                    needed(fields, "label"), fields.get("idempotencyKey"), fields.get("fingerprint"), fields.get("codec"),
                    Integer.parseInt(needed(fields, "attempts")), sqlStates(needed(fields, "sqlStates")),
                    needed(fields, "thrown"), needed(fields, "said"), Boolean.parseBoolean(needed(fields, "unknown")),
                    fields.get("evidence"), needed(fields, "payload"));
        } catch (NumberFormatException | DateTimeException unreadable) {
            throw new IllegalArgumentException("the dead letter's number or time cannot be read", unreadable);
        }
    }

    private static UUID id(String text) {
        try {
            return UUID.fromString(text);
        } catch (IllegalArgumentException quoting) {
            throw new IllegalArgumentException("the dead letter's id is no UUID");
        }
    }

    static String sqlStates(DeadLetter letter) {
        return String.join(" ", letter.sqlStates());
    }

    static List<String> sqlStates(String joined) {
        return joined.isEmpty() ? List.of() : List.of(joined.split(" "));
    }

    private static String needed(Map<String, String> fields, String name) {
        String value = fields.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the dead letter has no " + name + ": is the line whole?");
        }
        return value;
    }
}
