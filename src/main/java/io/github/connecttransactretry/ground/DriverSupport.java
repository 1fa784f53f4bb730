package io.github.connecttransactretry.ground;

import java.sql.Connection;
import java.util.List;
import java.util.Optional;

/**
 * What a JDBC driver can tell, as a service found by {@link java.util.ServiceLoader}: the engine itself knows no driver.
 * Implementations are stateless and thread-safe.
 */
public interface DriverSupport {

    /**
     * The driver's own connection below whatever wraps it, or empty if this driver did not make it.
     *
     * @param connection as a pool or a {@code DataSource} hands it out, not null
     */
    Optional<PhysicalConnection> recognise(Connection connection);

    /**
     * Whether this very exception or warning carries a reply of the server (ErrorResponse or NoticeResponse), as opposed
     * to one that the driver or a pool made up.
     *
     * @param thrown may be null
     */
    boolean isServerReply(Throwable thrown);

    /**
     * The name of the server's function that raised the error or warning (field R of ErrorResponse, not localised), or
     * null.
     *
     * @param thrown may be null
     */
    String serverRoutine(Throwable thrown);

    /**
     * The table whose constraint an error reports as violated (fields s and t of ErrorResponse), as the unquoted names of
     * schema and table with a dot between, or null if it names none.
     *
     * @param thrown may be null
     */
    default String violatedTable(Throwable thrown) {
        return null;
    }

    /**
     * Where an error of the server met another transaction: names and process ids, never values.
     *
     * @param thrown may be null
     * @return not null; {@link ConflictSite#UNKNOWN} if the driver cannot tell
     */
    default ConflictSite conflictSite(Throwable thrown) {
        return ConflictSite.UNKNOWN;
    }

    /**
     * The statements of a JDBC text, split where the driver splits it, in order; comments may be left in.
     *
     * @param sql                as given to JDBC, not null
     * @param standardConforming the session's {@code standard_conforming_strings}: whether a backslash in a literal is a
     *                           plain character
     */
    List<String> split(String sql, boolean standardConforming);
}
