package io.github.connecttransactretry.idempotency;

import java.nio.charset.StandardCharsets;
import java.util.function.Function;

/** The codecs that come with the library. */
record StandardCodec<T>(String name, Function<T, byte[]> encoder, Function<byte[], T> decoder) implements ResultCodec<T> {

    static final ResultCodec<String> TEXT = new StandardCodec<>("text",
            value -> value.getBytes(StandardCharsets.UTF_8), stored -> new String(stored, StandardCharsets.UTF_8));

    static final ResultCodec<byte[]> BYTES = new StandardCodec<>("bytes", byte[]::clone, byte[]::clone);

    static final ResultCodec<Object> NONE = new StandardCodec<>("none", StandardCodec::refuse, stored -> null);

    @Override
    public byte[] encode(T value) {
        return encoder.apply(value);
    }

    @Override
    public T decode(byte[] stored) {
        return decoder.apply(stored);
    }

    private static byte[] refuse(Object value) {
        throw new IllegalArgumentException("the call returned a " + value.getClass().getName() + ", and its idempotency key keeps"
                + " no result: give the key a codec, such as withResult(ResultCodec.text()), or return null");
    }
}
