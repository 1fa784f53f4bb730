package io.github.connecttransactretry.peers;

import javax.sql.DataSource;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.transaction.SerializableTransactionRunner;

/**
 * JDBI's runner of serializable transactions. Its documentation (apidocs, SerializableTransactionRunner): it "automatically
 * retries transactions that fail due to serialization failures ... Any HandleCallback used under this runner should be aware
 * that it may be invoked multiple times and should be idempotent." It keeps to one Handle, so to one connection: who wants
 * lost connections retried opens a new Handle in a loop of his own. The isolation level is the pool's: given to inTransaction,
 * it would be set back on the lost connection, and the exception of that, without an SQLSTATE, would hide the first one.
 */
final class JdbiPeer implements Peer {

    private final Jdbi jdbi;
    private final boolean lostToo;

    JdbiPeer(DataSource pool, boolean lostToo) {
        this.jdbi = Jdbi.create(pool);
        this.lostToo = lostToo;
        jdbi.setTransactionHandler(new SerializableTransactionRunner());
        jdbi.getConfig(SerializableTransactionRunner.Configuration.class).setMaxRetries(ATTEMPTS - 1);
    }

    @Override
    public <T> T call(Work<T> work) throws Exception {
        long begun = System.nanoTime();
        for (int attempt = 1;; attempt++) {
            try {
                return jdbi.<T, Exception>inTransaction(handle -> work.in(handle.getConnection()));
            } catch (Exception failed) {
                boolean retried = lostToo && SqlErrors.isLost(failed);
                if (!retried || attempt == ATTEMPTS || System.nanoTime() - begun > BOUND.toNanos()) {
                    throw failed;
                }
                HandWritten.pause(attempt);
            }
        }
    }
}
