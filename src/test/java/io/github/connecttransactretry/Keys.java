package io.github.connecttransactretry;

import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.idempotency.ResultCodec;
import java.nio.charset.StandardCharsets;

/** Options of keyed calls that return the number of their attempt, as those of a {@link CommitScene} do. */
final class Keys {

    private static final ResultCodec<Integer> ATTEMPT = new ResultCodec<>() {
        @Override
        public String name() {
            return "attempt";
        }

        @Override
        public byte[] encode(Integer attempt) {
            return attempt.toString().getBytes(StandardCharsets.US_ASCII);
        }

        @Override
        public Integer decode(byte[] stored) {
            return Integer.valueOf(new String(stored, StandardCharsets.US_ASCII));
        }
    };

    private Keys() {
    }

    static TransactionOptions attempts(String key) {
        return TransactionOptions.idempotencyKey(IdempotencyKey.of(key).withResult(ATTEMPT));
    }
}
