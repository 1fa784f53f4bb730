package io.github.connecttransactretry.drill;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;

/** The request that a client is sending: what has arrived of it and has not been delivered. Not thread-safe. */
final class PendingRequest {

    private final WireSession session;
    private final FrontendStatements statements = new FrontendStatements();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private int syncs;
    private int ordinal;

    PendingRequest(WireSession session) {
        this.session = session;
    }

    /** Adds a message, or the beginning of one that is streamed. */
    void add(byte[] header, byte[] body) {
        byte type = header[0];
        statements.see(type, body);
        bytes.writeBytes(header);
        bytes.writeBytes(body);
        if (type == 'S' || type == 'Q' || type == 'F') {
            syncs++;
        }
    }

    /** How many Syncs, Queries and function calls it has, each answered by a ReadyForQuery. */
    int syncs() {
        return syncs;
    }

    int size() {
        return bytes.size();
    }

    byte[] takeBytes() {
        byte[] taken = bytes.toByteArray();
        bytes.reset();
        syncs = 0;
        return taken;
    }

    /** It is complete: gives its description and begins the next one; the bytes stay. */
    WireRequest complete() {
        return new WireRequest(session.number(), ++ordinal, session.pid(), statements.takeExecuted());
    }

    /** What is known of it when a Bind with this beginning of its body arrives. */
    WireRequest soFar(byte[] beginningOfBind) {
        List<String> known = new ArrayList<>(statements.executed());
        known.add(statements.boundBy(beginningOfBind));
        return new WireRequest(session.number(), ordinal + 1, session.pid(), known);
    }
}
