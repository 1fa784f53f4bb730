package io.github.connecttransactretry.idempotency;

/**
 * How the result of a keyed call is kept in its ledger row and read again. A null result needs no codec: it is kept as null.
 * Called by many threads at once.
 *
 * @param <T> the results' type
 */
public interface ResultCodec<T> {

    /**
     * A short name that is kept with the result, not null. Change it when the encoding changes: a repeat that comes with
     * another codec than the first call is refused rather than misread.
     */
    String name();

    /**
     * The bytes to keep.
     *
     * @param value not null
     * @return not null
     */
    byte[] encode(T value);

    /**
     * What was kept.
     *
     * @param stored as {@link #encode} made it, not null
     */
    T decode(byte[] stored);

    /** Text, kept as UTF-8. */
    static ResultCodec<String> text() {
        return StandardCodec.TEXT;
    }

    /** Bytes, kept as they are. */
    static ResultCodec<byte[]> bytes() {
        return StandardCodec.BYTES;
    }

    /** For calls that return null; another value is refused before it is committed, since a repeat could not return it. */
    static ResultCodec<Object> none() {
        return StandardCodec.NONE;
    }
}
