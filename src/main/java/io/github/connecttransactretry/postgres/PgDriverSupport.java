package io.github.connecttransactretry.postgres;

import io.github.connecttransactretry.ground.ConflictSite;
import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.PhysicalConnection;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.postgresql.core.BaseConnection;
import org.postgresql.core.NativeQuery;
import org.postgresql.core.Parser;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLWarning;
import org.postgresql.util.ServerErrorMessage;

/**
 * What pgjdbc 42.7 can tell. Stateless and thread-safe. Its transaction state and parser are public classes of
 * {@code org.postgresql.core}, which pgjdbc does not promise to keep: they are used here and nowhere else.
 */
public final class PgDriverSupport implements DriverSupport {

    /** A constant, so that this class cannot be loaded without pgjdbc: that is how the engine finds out that it is missing. */
    private static final Class<BaseConnection> CONNECTION = BaseConnection.class;

    /** For {@link java.util.ServiceLoader}. */
    public PgDriverSupport() {
    }

    @Override
    public Optional<PhysicalConnection> recognise(Connection connection) {
        try {
            if (connection.isWrapperFor(CONNECTION)) {
                return Optional.of(new PgPhysicalConnection(connection.unwrap(CONNECTION)));
            }
        } catch (SQLException closedOrForeign) {
            return Optional.empty();
        }
        return Optional.empty();
    }

    @Override
    public boolean isServerReply(Throwable thrown) {
        return message(thrown) != null;
    }

    @Override
    public String serverRoutine(Throwable thrown) {
        ServerErrorMessage message = message(thrown);
        return message == null ? null : message.getRoutine();
    }

    @Override
    public String violatedTable(Throwable thrown) {
        ServerErrorMessage message = message(thrown);
        return message == null || message.getTable() == null ? null : message.getSchema() + "." + message.getTable();
    }

    @Override
    public ConflictSite conflictSite(Throwable thrown) {
        ServerErrorMessage message = message(thrown);
        return message == null ? ConflictSite.UNKNOWN : ServerConflict.in(message);
    }

    private static ServerErrorMessage message(Throwable thrown) {
        if (thrown instanceof PSQLException) {
            return ((PSQLException) thrown).getServerErrorMessage();
        }
        return thrown instanceof PSQLWarning ? ((PSQLWarning) thrown).getServerErrorMessage() : null;
    }

    @Override
    public List<String> split(String sql, boolean standardConforming) {
        try {
            return Parser.parseJdbcSql(sql, standardConforming, false, true, false, true).stream()
                    .map((NativeQuery query) -> query.nativeSql)
                    .toList();
        } catch (SQLException unparsable) {
            return List.of(sql);
        }
    }
}
