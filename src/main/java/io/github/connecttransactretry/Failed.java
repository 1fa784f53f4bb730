package io.github.connecttransactretry;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.classify.Verdict;

/**
 * Why an attempt came to nothing.
 *
 * @param phase       where it failed
 * @param thrown      what was thrown
 * @param sqlState    the SQLSTATE that explains it, or null
 * @param verdict     what the classifiers made of it
 * @param byFunction  whether the function itself threw it, so that the caller gets it unchanged if it is not retried
 * @param lostBody    whether the connection was lost in or after the function, before COMMIT
 */
record Failed(Phase phase, Throwable thrown, String sqlState, Verdict verdict, boolean byFunction, boolean lostBody) {
}
