package io.github.connecttransactretry.classify;

/** Where in an attempt something happened. */
public enum Phase {

    /** Taking a connection and getting to know its session. Nothing has happened yet. */
    CONNECT,

    /** The message, if any, that sets isolation and access mode. */
    BEGIN,

    /** The caller's function. */
    BODY,

    /** The statement after the function that learns the transaction's id. */
    EVIDENCE,

    /** From handing COMMIT to the driver. */
    COMMIT,

    /** Finding out what became of an ambiguous COMMIT. */
    OUTCOME
}
