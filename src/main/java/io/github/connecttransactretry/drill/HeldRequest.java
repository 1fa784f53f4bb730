package io.github.connecttransactretry.drill;

import java.util.Optional;
import java.util.StringJoiner;

/** A request that a {@link WireProxy} holds back, and what the server said to it in the end. Safe from any thread. */
public final class HeldRequest {

    private final WireRequest request;
    private final byte[] bytes;
    private final int syncs;
    private final WireSession session;
    private final StringJoiner said = new StringJoiner("; ");
    private boolean answered;

    HeldRequest(WireRequest request, PendingRequest pending, WireSession session) {
        this.request = request;
        this.syncs = pending.syncs();
        this.bytes = pending.takeBytes();
        this.session = session;
    }

    /**
     * The request.
     *
     * @return what was held back
     */
    public WireRequest request() {
        return request;
    }

    /**
     * What the server answered, its parts joined by "; ".
     *
     * @return command tags such as {@code COMMIT} or {@code INSERT 0 1}, {@code ERROR 23505}, {@code FATAL 57P01}, {@code
     *     connection ended} as the last part if the server hung up; empty as long as the answer is not complete
     */
    public synchronized Optional<String> outcome() {
        return answered ? Optional.of(said.toString()) : Optional.empty();
    }

    /** Sends it to the server, blocking as long as the server does not read. */
    void deliver() {
        session.deliver(this);
    }

    byte[] bytes() {
        return bytes;
    }

    int syncs() {
        return syncs;
    }

    synchronized void said(String part) {
        if (!answered) {
            said.add(part);
        }
    }

    synchronized void complete() {
        answered = true;
    }

    synchronized void connectionEnded() {
        if (!answered) {
            said.add("connection ended");
            answered = true;
        }
    }

    @Override
    public String toString() {
        return request.statements() + " -> " + outcome().orElse("no answer yet");
    }
}
