package io.github.connecttransactretry.chaos;

/** Where a fault can be made. */
public enum Place {

    /** Asking the {@code DataSource} for a connection. */
    CONNECT,

    /** Running a statement, or a batch, whose text does not commit. Methods of JDBC that take no SQL are no such place. */
    STATEMENT,

    /**
     * Sending a COMMIT, however that is done: {@code commit()} or {@code setAutoCommit(true)} with a transaction open, or SQL of
     * which one statement begins with COMMIT or END.
     */
    COMMIT
}
