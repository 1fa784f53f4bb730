package io.github.connecttransactretry;

import java.sql.Connection;
import java.util.List;
import java.util.Optional;

/** The sentences with which the engine refuses what it cannot make safe. */
final class Refusals {

    private Refusals() {
    }

    static TransactionRefusedException of(String message) {
        return new TransactionRefusedException(message, null, List.of());
    }

    static void refuse(String message) {
        throw of(message);
    }

    static TransactionRefusedException foreignDriver(Connection connection) {
        return of("the connection is a " + connection.getClass().getName() + ", which no PostgreSQL driver known to the engine"
                + " made: give it connections of pgjdbc (org.postgresql), whose state it can read, directly or through a pool"
                + " that lets them be unwrapped");
    }

    static TransactionRefusedException openTransaction(Optional<String> hazard) {
        return of("the connection was handed out with a transaction open on it, which is an outer or a leaked one, and is not"
                + " joined: run the engine outside other transactions, on a pool that hands out idle connections"
                + hazard.map(cause -> ". " + cause).orElse(""));
    }

    static TransactionRefusedException endedBySql(Throwable thrownByFunction) {
        return new TransactionRefusedException("the function ended the transaction by SQL, so that what it did before may be"
                + " committed and what it did after ran outside: return to commit, throw or call rollbackOnly() to roll back",
                thrownByFunction, List.of());
    }

    static TransactionRefusedException stillRunning() {
        return of("the function returned while another thread was still using its connection, whose statement may yet fail and"
                + " make the COMMIT a rollback: wait for that thread before returning");
    }

    static TransactionRefusedException readOnlyIgnored() {
        return of("a read-only call needs a driver that sends READ ONLY to the server, and this connection has"
                + " readOnlyMode=ignore: remove that property from the JDBC URL");
    }

    static TransactionRefusedException nested() {
        return of("run was called inside a function that the same engine is running: pass the Transaction on instead, or call"
                + " from afterCommit what has to be a transaction of its own");
    }
}
