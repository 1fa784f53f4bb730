package io.github.connecttransactretry.pacing;

/** Which of a policy's curves a repeated attempt follows. */
public enum Pace {

    /** Others were faster: the server is well and the next attempt may follow in milliseconds. */
    CONFLICT,

    /** The connection or the server is away: the next attempt waits for it to come back. */
    OUTAGE,

    /** The server or a pooler refuses for want of resources (53300): coming back soon makes it worse. */
    OVERLOAD
}
