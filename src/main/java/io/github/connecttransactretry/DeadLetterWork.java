package io.github.connecttransactretry;

import io.github.connecttransactretry.deadletter.DeadLetter;

/** What is to be done for a dead letter, in a transaction. May be called again, each time in a new one. */
@FunctionalInterface
public interface DeadLetterWork {

    /**
     * Does the work.
     *
     * @param transaction of this attempt, not null
     * @param letter      whose payload says what to do, not null
     * @throws Exception what goes wrong; the letter stays open
     */
    void apply(Transaction transaction, DeadLetter letter) throws Exception;
}
