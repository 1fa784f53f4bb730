package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.Deadline;
import io.github.connecttransactretry.outcome.CommitEvidence;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One attempt's transaction and its hooks. */
final class LiveTransaction implements Transaction {

    private static final Logger LOG = LoggerFactory.getLogger(LiveTransaction.class);

    private static final String NO_ACTION = "action is null: give what is to be done then";

    private final Connection connection;
    private final int attempt;
    private final Deadline deadline;
    private final List<Runnable> afterCommit = new ArrayList<>();
    private final List<Runnable> afterRollback = new ArrayList<>();
    private final List<Consumer<CommitEvidence>> onUnknown = new ArrayList<>();
    private volatile boolean rollbackOnly;

    LiveTransaction(Connection connection, int attempt, Deadline deadline) {
        this.connection = connection;
        this.attempt = attempt;
        this.deadline = deadline;
    }

    @Override
    public Connection connection() {
        return connection;
    }

    @Override
    public DataSource dataSource() {
        return new GuardedDataSource(connection);
    }

    @Override
    public int attempt() {
        return attempt;
    }

    @Override
    public Duration remaining() {
        return deadline.remaining();
    }

    @Override
    public void rollbackOnly() {
        rollbackOnly = true;
    }

    @Override
    public boolean isRollbackOnly() {
        return rollbackOnly;
    }

    @Override
    public void afterCommit(Runnable action) {
        afterCommit.add(Objects.requireNonNull(action, NO_ACTION));
    }

    @Override
    public void afterRollback(Runnable action) {
        afterRollback.add(Objects.requireNonNull(action, NO_ACTION));
    }

    @Override
    public void onUnknown(Consumer<CommitEvidence> action) {
        onUnknown.add(Objects.requireNonNull(action, NO_ACTION));
    }

    void committed() {
        afterCommit.forEach(action -> quietly("afterCommit", action));
    }

    void rolledBack() {
        afterRollback.forEach(action -> quietly("afterRollback", action));
    }

    void unknown(CommitEvidence evidence) {
        onUnknown.forEach(action -> quietly("onUnknown", () -> action.accept(evidence)));
    }

    /** The outcome stands whatever a hook does, an Error included. */
    private static void quietly(String hook, Runnable action) {
        try {
            action.run();
        } catch (Throwable thrown) {
            LOG.error("an {} action threw; the transaction's outcome stands", hook, thrown);
        }
    }
}
