package io.github.connecttransactretry;

/** A transaction's isolation level (PostgreSQL manual, 13.2 "Transaction Isolation"). */
public enum Isolation {

    /** Whatever the session's {@code default_transaction_isolation} says; costs no message. */
    SESSION(""),

    /** READ COMMITTED. */
    READ_COMMITTED("READ COMMITTED"),

    /** REPEATABLE READ, in PostgreSQL snapshot isolation. */
    REPEATABLE_READ("REPEATABLE READ"),

    /** SERIALIZABLE. */
    SERIALIZABLE("SERIALIZABLE");

    private final String sql;

    Isolation(String sql) {
        this.sql = sql;
    }

    /** As SET TRANSACTION ISOLATION LEVEL spells it; empty for {@link #SESSION}. */
    String sql() {
        return sql;
    }
}
