package io.github.connecttransactretry.ground;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.Optional;

/**
 * That a row was not at the version that a writer had seen. An exception that implements it is told apart from other
 * failures by listeners, wherever it stands in a chain of causes. Its key is not asked for, since it is the user's.
 */
public interface StaleVersion {

    /** The table's name, plain or as SQL quotes it, not null. */
    String table();

    /** The version that the writer had seen; null if it had seen none. */
    Object expected();

    /** The version that the row is at; null if the row is gone, or has none. */
    Object actual();

    /** The actual version less the expected one, if they are numbers. */
    Optional<BigDecimal> gap();

    /** The time between the two versions, if they are points in time. */
    Optional<Duration> timeGap();
}
