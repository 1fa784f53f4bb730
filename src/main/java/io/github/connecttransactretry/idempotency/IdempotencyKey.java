package io.github.connecttransactretry.idempotency;

import io.github.connecttransactretry.ground.ServerText;
import java.util.Objects;

/**
 * The name of a piece of work that may be asked for more than once and is to take effect at most once, across threads,
 * processes and restarts, <b>while its ledger row is kept</b>. The function may run more than once; what it did is committed
 * once. Immutable and thread-safe.
 *
 * @param key         unique for the work over all callers of one ledger, for example "payment-4711"; not null or blank, at
 *                    most {@value #LONGEST} characters, no NUL
 * @param fingerprint a digest of the request, so that the same key with another request is found out; null for none
 * @param codec       how the result is kept, not null
 * @param claimed     whether the key is claimed before the function runs; see {@link #claimedFirst()}
 */
public record IdempotencyKey(String key, String fingerprint, ResultCodec<?> codec, boolean claimed) {

    /** The ledger's column holds so many characters. */
    public static final int LONGEST = 255;

    /** Checks the parts. */
    public IdempotencyKey {
        if (Objects.requireNonNull(key, "the idempotency key is null: give one, for example the payment's number").isBlank()) {
            throw new IllegalArgumentException("the idempotency key is blank: give one, for example the payment's number");
        }
        int length = key.codePointCount(0, key.length());
        if (length > LONGEST) {
            throw new IllegalArgumentException("the idempotency key has " + length + " characters, and the ledger's column holds "
                    + LONGEST + ": give a shorter one, for example a digest of it");
        }
        requireStorable("key", key);
        requireStorable("fingerprint", fingerprint);
        Objects.requireNonNull(codec, "codec is null: give one, for example ResultCodec.none()");
        requireStorable("codec's name", Objects.requireNonNull(codec.name(), "the codec's name is null: give it one"));
    }

    /** A key that keeps no result, for calls that return null. */
    public static IdempotencyKey of(String key) {
        return new IdempotencyKey(key, null, ResultCodec.none(), false);
    }

    /** This key with a digest of the request: the same key with another digest is an error, not a repeat. */
    public IdempotencyKey withFingerprint(String digest) {
        return new IdempotencyKey(key, Objects.requireNonNull(digest, "fingerprint is null: give one, or leave it out"), codec,
                claimed);
    }

    /** This key with a codec, so that a repeat returns what the first call returned. */
    public IdempotencyKey withResult(ResultCodec<?> resultCodec) {
        return new IdempotencyKey(key, fingerprint, resultCodec, claimed);
    }

    /**
     * This key claimed before the function runs: of two callers at once one waits for the other, rather than doing the work
     * and losing it. <b>The one that waits holds a connection meanwhile.</b> Under REPEATABLE READ and SERIALIZABLE the claim
     * takes the snapshot.
     */
    public IdempotencyKey claimedFirst() {
        return new IdempotencyKey(key, fingerprint, codec, true);
    }

    private static void requireStorable(String what, String text) {
        if (text != null && !ServerText.isStorable(text)) {
            throw new IllegalArgumentException("the idempotency " + what + " has a NUL or half a surrogate pair, which PostgreSQL"
                    + " cannot keep: give plain text");
        }
    }
}
