package io.github.connecttransactretry.deadletter;

import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.UUID;

/** Letters as an engine would write them. */
public final class Letters {

    private static final String[] AWKWARD = {"\"", "\\", "\n", "\r\n", "\t", "/", "{", "}", ",", "\u0001", "\u007f", "\u2028", "\u00e4",
        "\u4e2d", new String(Character.toChars(0x1F600)), "null", "\\u0041", " ", "'", ";", "--", "a"};

    private Letters() {
    }

    public static DeadLetter failed(String payload) {
        return new DeadLetter(UUID.randomUUID(), Instant.now(), "order", null, null, null, 3, List.of("40001", "57P01"),
                "java.sql.SQLException", "ERROR: out of luck", false, null, payload);
    }

    static DeadLetter keyed(String payload) {
        return new DeadLetter(UUID.randomUUID(), Instant.now(), "", "key " + payload, "digest", "text", 1, List.of(),
                "java.io.IOException", "", true, "ctr1 database=a pid=1 end", payload);
    }

    /** A text of awkward parts. */
    static String awkward(Random random) {
        StringBuilder text = new StringBuilder();
        for (int parts = random.nextInt(12); parts > 0; parts--) {
            text.append(AWKWARD[random.nextInt(AWKWARD.length)]);
        }
        return text.toString();
    }
}
