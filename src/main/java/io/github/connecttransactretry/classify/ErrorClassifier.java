package io.github.connecttransactretry.classify;

import java.util.Objects;
import java.util.Optional;

/**
 * Says what a failure means. A classifier of the user's own is asked before {@link PostgresClassifier} and may pass on.
 * It is never asked about a COMMIT whose outcome is not known: that is no matter of classification. Called by many
 * threads; should not block.
 */
@FunctionalInterface
public interface ErrorClassifier {

    /**
     * The verdict, or empty to pass on to the next classifier.
     *
     * @param failure not null
     */
    Optional<Verdict> classify(Failure failure);

    /**
     * This classifier first, and where it passes on the other one.
     *
     * @param next not null
     */
    default ErrorClassifier orElse(ErrorClassifier next) {
        Objects.requireNonNull(next, "next is null: give the classifier that is asked where this one passes on");
        return failure -> {
            Optional<Verdict> verdict = classify(failure);
            return verdict.isPresent() ? verdict : next.classify(failure);
        };
    }
}
