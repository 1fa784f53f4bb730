package io.github.connecttransactretry;

/**
 * A {@link TransactionalFunction} that returns nothing; all that is said there holds here.
 *
 * @param <X> the checked exception that it may throw
 */
@FunctionalInterface
public interface TransactionalAction<X extends Exception> {

    /**
     * Does the work.
     *
     * @param transaction good for this one call and dead afterwards
     * @throws X to roll back
     */
    void apply(Transaction transaction) throws X;
}
