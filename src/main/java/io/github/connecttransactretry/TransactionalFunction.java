package io.github.connecttransactretry;

/**
 * What a caller wants done in one transaction. It runs on the caller's thread.
 *
 * <p>It may be <b>called again</b>, each time in a new transaction after the one before was rolled back, so that whatever
 * it does outside the database is done each time: put that into {@link Transaction#afterCommit}. The value that the caller
 * gets is the one of the attempt that was committed. An exception that it throws rolls the transaction back; if that was
 * caused by something transient (a serialization failure, a lost connection) the function is called again, otherwise the
 * caller gets the exception unchanged.
 *
 * @param <T> what it returns
 * @param <X> the checked exception that it may throw
 */
@FunctionalInterface
public interface TransactionalFunction<T, X extends Exception> {

    /**
     * Does the work.
     *
     * @param transaction good for this one call and dead afterwards
     * @return what the caller gets if this attempt is committed; may be null
     * @throws X to roll back
     */
    T apply(Transaction transaction) throws X;
}
