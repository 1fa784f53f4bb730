package io.github.connecttransactretry.outcome;

import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;

/**
 * Evidence as one line of {@code name=value} pairs, each value percent-encoded, between the format's own name and a last word:
 * a line that was cut off must not be taken for evidence of something else.
 */
final class EvidenceLine {

    private static final String FORMAT = "ctr1";
    private static final String LAST = "end";
    private static final Set<String> NAMES = Set.of("database", "xid", "pid", "start", "system", "timeline", "reset", "life",
            "ledger", "token", "notBefore", "node");

    private EvidenceLine() {
    }

    static String print(CommitEvidence evidence) {
        StringBuilder line = new StringBuilder(FORMAT);
        add(line, "database", evidence.database());
        add(line, "xid", evidence.transactionId() == null ? null : Long.toUnsignedString(evidence.transactionId()));
        add(line, "pid", evidence.backend().pid());
        add(line, "start", evidence.backend().start());
        Incarnation incarnation = evidence.incarnation();
        if (incarnation != null) {
            add(line, "system", incarnation.systemIdentifier());
            add(line, "timeline", incarnation.timeline());
            add(line, "reset", incarnation.statsReset());
            add(line, "life", incarnation.life());
        }
        LedgerToken ledger = evidence.ledger();
        if (ledger != null) {
            add(line, "ledger", ledger.ledger());
            add(line, "token", ledger.token());
            add(line, "notBefore", ledger.notBefore());
        }
        add(line, "node", evidence.node());
        return line.append(' ').append(LAST).toString();
    }

    private static void add(StringBuilder line, String name, Object value) {
        if (value != null) {
            line.append(' ').append(name).append('=').append(URLEncoder.encode(value.toString(), StandardCharsets.UTF_8));
        }
    }

    static CommitEvidence parse(String line) {
        Map<String, String> values = values(Objects.requireNonNull(line,
                "line is null: give the one that CommitEvidence.toString() printed").strip());
        Incarnation incarnation = hasAny(values, "system", "timeline", "reset", "life")
                ? new Incarnation(needed(values, "system"), needed(values, "timeline"), values.get("reset"), values.get("life"))
                : null;
        LedgerToken ledger = hasAny(values, "ledger", "token", "notBefore")
                ? new LedgerToken(read(values, "ledger", UUID::fromString), read(values, "token", UUID::fromString),
                        read(values, "notBefore", Instant::parse))
                : null;
        Long transactionId = values.containsKey("xid") ? read(values, "xid", Long::parseUnsignedLong) : null;
        return new CommitEvidence(needed(values, "database"), transactionId,
                new Backend(read(values, "pid", Integer::valueOf), values.get("start")), incarnation, ledger, values.get("node"));
    }

    private static boolean hasAny(Map<String, String> values, String... names) {
        return Arrays.stream(names).anyMatch(values::containsKey);
    }

    private static Map<String, String> values(String line) {
        String[] words = line.split("\\s+");
        if (!words[0].equals(FORMAT)) {
            throw new IllegalArgumentException("this is no evidence of a commit in doubt: it does not begin with " + FORMAT
                    + "; give the line that CommitEvidence.toString() printed");
        }
        if (!words[words.length - 1].equals(LAST)) {
            throw new IllegalArgumentException("the evidence does not end with the word " + LAST + ": is the line whole?");
        }
        Map<String, String> values = new LinkedHashMap<>();
        for (int i = 1; i < words.length - 1; i++) {
            int equals = words[i].indexOf('=');
            String name = equals < 0 ? words[i] : words[i].substring(0, equals);
            if (equals < 0 || !NAMES.contains(name)) {
                throw new IllegalArgumentException("the evidence has a part that is not known: " + words[i]);
            }
            if (values.put(name, decoded(name, words[i].substring(equals + 1))) != null) {
                throw new IllegalArgumentException("the evidence says its " + name + " twice");
            }
        }
        return values;
    }

    private static String decoded(String name, String value) {
        try {
            return URLDecoder.decode(value, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException broken) {
            throw new IllegalArgumentException("the evidence's " + name + " cannot be read: " + value, broken);
        }
    }

    private static String needed(Map<String, String> values, String name) {
        String value = values.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the evidence does not say its " + name + ": is the line whole?");
        }
        return value;
    }

    private static <T> T read(Map<String, String> values, String name, Function<String, T> reader) {
        String value = needed(values, name);
        try {
            return reader.apply(value);
        } catch (IllegalArgumentException | DateTimeParseException unreadable) {
            throw new IllegalArgumentException("the evidence's " + name + " cannot be read: " + value, unreadable);
        }
    }
}
