package io.github.connecttransactretry;

import java.util.Optional;

/** A look down a chain of causes. */
final class Causes {

    /** No chain is so long, but one may be a ring. */
    private static final int DEEPEST = 50;

    private Causes() {
    }

    /** The first of the chain, the exception itself included, that is of a type. */
    static <T> Optional<T> find(Throwable thrown, Class<T> type) {
        Throwable next = thrown;
        for (int depth = 0; next != null && depth < DEEPEST; depth++) {
            if (type.isInstance(next)) {
                return Optional.of(type.cast(next));
            }
            next = next.getCause();
        }
        return Optional.empty();
    }
}
