package io.github.connecttransactretry.ground;

/** What a driver knows, without a round trip, of the session's transaction (ReadyForQuery of the PostgreSQL protocol, "Message Formats"). */
public enum TransactionState {

    /** No transaction is open. */
    IDLE,

    /** A transaction is open and usable. */
    OPEN,

    /** A statement of the open transaction has failed; only a rollback can end it. */
    FAILED
}
