package io.github.connecttransactretry.observe;

/**
 * Is told what happens in calls, on the thread where it happens; should not block. What it throws is logged and ignored.
 * Called by many threads at once.
 */
@FunctionalInterface
public interface TransactionListener {

    /**
     * Something happened.
     *
     * @param event not null
     */
    void on(TransactionEvent event);
}
