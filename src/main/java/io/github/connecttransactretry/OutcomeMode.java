package io.github.connecttransactretry;

/** By what the engine itself finds out about a COMMIT in doubt, and so what each writing call leaves behind for it. */
public enum OutcomeMode {

    /**
     * {@link #LEDGER} if the ledger's tables are installed, the role has its rights on them and the ledger is enabled;
     * otherwise {@link #STATUS}. Looked at once per physical connection.
     */
    AUTOMATIC,

    /**
     * By the server's own record of transaction ids ({@code pg_xact_status}). Needs no table; costs one round trip per call;
     * cannot tell after a crash or failover that the transaction was committed.
     */
    STATUS,

    /** By a row that commits with the transaction. Decides across failovers and for ever; costs a row per call. */
    LEDGER,

    /**
     * Both are written, and the ledger is asked where the server's record cannot be trusted. A keyed call is decided by the
     * ledger alone, which saves it a round trip.
     */
    STATUS_THEN_LEDGER,

    /** By nothing: a COMMIT in doubt is unknown at once, unless resolvers or a verification are given. */
    NONE
}
