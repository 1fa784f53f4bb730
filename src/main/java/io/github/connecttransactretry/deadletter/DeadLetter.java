package io.github.connecttransactretry.deadletter;

import io.github.connecttransactretry.ground.ServerText;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Objects;
import java.util.UUID;

/**
 * What is kept of a call that finally failed, or of which it is not known whether it was committed. Immutable.
 *
 * <p>It holds no parameters, no row and no words of the application's own exceptions; of the user's data it holds the payload,
 * the label and the key, which the caller gave for this, and what the first line of a server's message quotes.
 *
 * @param id             the letter's own, not null
 * @param when           when the call ended, to the microsecond, not null
 * @param label          the call's, empty for none, not null
 * @param idempotencyKey the call's, or null
 * @param fingerprint    the key's, or null
 * @param codec          the name of the key's codec, or null if there is no key
 * @param attempts       how many there were
 * @param sqlStates      those of the attempts, each once, in order of their first appearance, not null
 * @param thrown         the exception's class, not null
 * @param said           the first line of what server, driver or engine said, without passwords, at most some 200 characters;
 *                       empty for an exception of the application's, not null
 * @param unknown        whether the call may be committed after all; if not, nothing of it is
 * @param evidence       the line to ask by ({@code CommitEvidence.parse}), or null if there is none
 * @param payload        what the caller gave, not null
 */
public record DeadLetter(UUID id, Instant when, String label, String idempotencyKey, String fingerprint, String codec,
                         int attempts, List<String> sqlStates, String thrown, String said, boolean unknown, String evidence,
                         String payload) {

    /** So many characters may a payload have. */
    public static final int LONGEST_PAYLOAD = 1_000_000;

    /** Checks the parts, and makes fit for a table what others have written. */
    public DeadLetter {
        Objects.requireNonNull(id, "id");
        when = Objects.requireNonNull(when, "when").truncatedTo(ChronoUnit.MICROS);
        requireStorable("label", Objects.requireNonNull(label, "label"));
        if ((idempotencyKey == null) != (codec == null) || idempotencyKey == null && fingerprint != null) {
            throw new IllegalArgumentException("an idempotency key has a codec, and where there is none there is no fingerprint");
        }
        sqlStates = List.copyOf(sqlStates);
        Objects.requireNonNull(thrown, "thrown");
        said = storable(Objects.requireNonNull(said, "said"));
        if (evidence != null && !unknown) {
            throw new IllegalArgumentException("there is evidence of a call that is not unknown");
        }
        requirePayload(payload);
    }

    /**
     * Checks a payload.
     *
     * @throws IllegalArgumentException if it is longer than {@link #LONGEST_PAYLOAD}, or is no plain text
     */
    public static void requirePayload(String payload) {
        Objects.requireNonNull(payload, "the dead letter's payload is null: give what the call is to be done again by");
        if (payload.length() > LONGEST_PAYLOAD) {
            throw new IllegalArgumentException("the dead letter's payload has " + payload.length() + " characters, and may have "
                    + LONGEST_PAYLOAD + ": keep the rest elsewhere, and give its name");
        }
        requireStorable("payload", payload);
    }

    /** Checks that PostgreSQL can keep a text of a letter's. */
    public static void requireStorable(String what, String text) {
        if (!ServerText.isStorable(text)) {
            throw new IllegalArgumentException("the dead letter's " + what + " has a NUL or half a surrogate pair, which"
                    + " PostgreSQL cannot keep: give plain text");
        }
    }

    private static String storable(String text) {
        // Cut to a length, it may end in half a character; getBytes puts a question mark in its place.
        return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8).replace('\0', '?');
    }

    /**
     * The name under which the letter is taken up once: the call's own, or one made from the letter's id.
     */
    public String takeUpKey() {
        return idempotencyKey != null ? idempotencyKey : "dead-letter " + id;
    }

    /**
     * This letter without {@link #said}, for a log, which quotes nothing that may be the user's data but what was
     * given for it.
     */
    public DeadLetter withoutSaid() {
        return new DeadLetter(id, when, label, idempotencyKey, fingerprint, codec, attempts, sqlStates, thrown, "", unknown,
                evidence, payload);
    }

    /** The letter as a JSON object in one line of ASCII, all of its values strings. {@link #parse} reads it. */
    public String toJson() {
        return LetterLine.print(this);
    }

    /**
     * Reads what {@link #toJson} wrote, wherever it was kept. Fields that are not known are passed over.
     *
     * @param json not null
     * @throws IllegalArgumentException if it is no such object; the message says where it goes wrong, and quotes nothing
     */
    public static DeadLetter parse(String json) {
        return LetterLine.parse(Objects.requireNonNull(json, "json is null: give a line that DeadLetter.toJson() wrote"));
    }
}
