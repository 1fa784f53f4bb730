package io.github.connecttransactretry.drill;

/**
 * What a {@link WireProxy} does with one request of a client: with everything that the client sends before it waits for
 * an answer, up to and including the last Sync or Query.
 */
public enum WireAction {

    /** The request and its answer go through untouched. */
    PASS,

    /** The request never reaches the server. The client is reset, the server's side is closed. Nothing is executed. */
    CUT_BEFORE,

    /**
     * The request is delivered and completely answered; the answer is thrown away. Then the client is reset and the
     * server's side is closed. A COMMIT has taken effect and nobody has told the client.
     */
    CUT_AFTER,

    /**
     * The request is held back and the client is reset at once; the server's side stays open and knows nothing of it.
     * {@link WireProxy#releaseHeld()} delivers it later: the COMMIT that arrives after its client has gone.
     */
    HOLD_AND_CUT,

    /**
     * The request is held back; the client stays connected and hears nothing any more, whatever it sends. {@link
     * WireProxy#releaseHeld()} delivers it, but its answer still reaches nobody. A client that hangs up is not reported
     * to the server.
     */
    BLACK_HOLE_BEFORE,

    /**
     * The request is delivered, its answer and all later ones are thrown away; the client stays connected and hears
     * nothing any more. A client that hangs up is not reported to the server.
     */
    BLACK_HOLE_AFTER,

    /** The proxy stops to read from the client, so that its writes block; nothing of the request is forwarded. */
    STALL,

    /** The request passes, its answer is forwarded one byte per {@link WireProxy#trickleInterval}. */
    TRICKLE
}
