package io.github.connecttransactretry;

/** Whether a transaction may write. */
public enum Access {

    /** It may write, and needs a primary server. */
    READ_WRITE,

    /** It may not write (the server enforces it), takes no evidence, and may run on a standby. */
    READ_ONLY
}
