package io.github.connecttransactretry.optimistic;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;

/** Names of tables and columns as they stand in the catalogue, checked. */
final class Names {

    /** NAMEDATALEN less one: beyond it the server cuts a name off without an error, and may then mean another table. */
    private static final int LONGEST = 63;

    private Names() {
    }

    static String checked(String what, String name) {
        Objects.requireNonNull(name, () -> "the name of the " + what + " is null: give it as the catalogue has it");
        if (name.isEmpty() || name.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(
                    "the name of the " + what + " is empty or has a NUL: give it as the catalogue has it");
        }
        if (name.getBytes(StandardCharsets.UTF_8).length > LONGEST) {
            throw new IllegalArgumentException("the name of the " + what + " is longer than " + LONGEST + " bytes, and PostgreSQL"
                    + " would cut it off: " + name);
        }
        return name;
    }

    static List<String> checked(String what, String first, String... more) {
        List<String> all = new ArrayList<>();
        all.add(checked(what, first));
        for (String next : Objects.requireNonNull(more, () -> "the names of the " + what + "s are null: give none instead")) {
            all.add(checked(what, next));
        }
        if (new LinkedHashSet<>(all).size() < all.size()) {
            throw new IllegalArgumentException("a " + what + " is named twice: " + all);
        }
        return List.copyOf(all);
    }
}
