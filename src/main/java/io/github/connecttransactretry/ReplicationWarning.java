package io.github.connecttransactretry;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.util.function.Function;

/** The warning that comes with a COMMIT whose wait for a synchronous standby was given up (syncrep.c of PostgreSQL). */
final class ReplicationWarning {

    /** The server's function that waits; the text of its warning is localised, this is not. */
    private static final String WAIT = "SyncRepWaitForLSN";

    private ReplicationWarning() {
    }

    /**
     * The warning if it is among these, or null.
     *
     * @param warnings the first of them, or null for none
     * @param routine  the server's function that a warning names
     */
    static SQLWarning in(SQLWarning warnings, Function<Throwable, String> routine) {
        SQLWarning warning = warnings;
        while (warning != null && !WAIT.equals(routine.apply(warning))) {
            warning = warning.getNextWarning();
        }
        return warning;
    }

    /**
     * The warning if it is there, or if it cannot be known that it is not; else null.
     *
     * @param connection just after its COMMIT; its warnings were cleared just before
     * @param routine    the server's function that a warning names
     */
    static SQLWarning of(Connection connection, Function<Throwable, String> routine) {
        try {
            return in(connection.getWarnings(), routine);
        } catch (SQLException | RuntimeException unreadable) {
            return new SQLWarning("the warnings of the COMMIT could not be read", unreadable);
        }
    }
}
