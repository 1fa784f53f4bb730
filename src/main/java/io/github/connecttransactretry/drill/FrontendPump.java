package io.github.connecttransactretry.drill;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads what a client says, request by request, and does to each what the script wants. */
final class FrontendPump implements Runnable {

    private static final Logger LOG = LoggerFactory.getLogger(FrontendPump.class);

    // Chapter "Message Formats": these stand in the place of the protocol's version.
    private static final int CANCEL_REQUEST = 80877102;
    private static final int SSL_REQUEST = 80877103;
    private static final int GSS_REQUEST = 80877104;

    private static final int CONNECT_MILLIS = 10_000;
    private static final int HEADER = 5;
    // Enough for the names of portal and statement (63 bytes each at most) at the beginning of a Bind.
    private static final int BEGINNING = 1024;

    private final WireSession session;
    private final PendingRequest pending;
    private DataInputStream in;

    FrontendPump(WireSession session) {
        this.session = session;
        this.pending = new PendingRequest(session);
    }

    @Override
    public void run() {
        try {
            in = new DataInputStream(new BufferedInputStream(session.client().getInputStream(), 1 << 16));
            if (session.silent() || startUp()) {
                converse();
            }
            discard();
            session.clientGone();
        } catch (IOException hungUp) {
            session.clientGone();
        } catch (RuntimeException failed) {
            if (!session.awaitEnd(Duration.ZERO)) {
                LOG.error("session {} of the proxy is cut, its script failed", session.number(), failed);
            }
            session.cut();
        }
    }

    /** Untyped messages until the client asks for a session; false if it never does. */
    private boolean startUp() throws IOException {
        Socket server = new Socket();
        server.setTcpNoDelay(true);
        try {
            server.connect(session.proxy().target(), CONNECT_MILLIS);
        } catch (IOException down) {
            session.cut();
            throw down;
        }
        if (!session.connected(server)) {
            return false;
        }
        while (true) {
            int length = in.readInt();
            byte[] packet = ByteBuffer.allocate(length).putInt(length).put(in.readNBytes(length - Integer.BYTES)).array();
            int code = ByteBuffer.wrap(packet).getInt(Integer.BYTES);
            server.getOutputStream().write(packet);
            if (code == SSL_REQUEST || code == GSS_REQUEST) {
                passOn(server.getInputStream().read());
            } else {
                session.proxy().spawn("server-" + session.number(), new BackendPump(session));
                // A cancel request has no answer, the server just hangs up.
                return code != CANCEL_REQUEST;
            }
        }
    }

    private void passOn(int answer) throws IOException {
        if (answer == 'S' || answer == 'G') {
            LOG.error("the server agrees to encrypt and the proxy reads plaintext only; connect with sslmode=disable and"
                    + " gssEncMode=disable");
        }
        if (answer != 'N') {
            session.cut();
            throw new EOFException();
        }
        session.client().getOutputStream().write(answer);
    }

    private void converse() throws IOException {
        while (!session.silent()) {
            byte type = in.readByte();
            int length = in.readInt() - Integer.BYTES;
            if (session.silent()) {
                return;
            }
            switch (type) {
                // Password, COPY data: part of no request, and the server waits for it.
                case 'p', 'd', 'c', 'f' -> stream(header(type, length), length);
                case 'X' -> {
                    stream(header(type, length), length);
                    session.clientGone();
                    return;
                }
                default -> {
                    if (!collect(type, length)) {
                        return;
                    }
                }
            }
        }
    }

    /** Takes one message into the request; false if this was the last that this session hears of its client. */
    private boolean collect(byte type, int length) throws IOException {
        byte[] beginning = in.readNBytes(Math.min(length, BEGINNING));
        if (type == 'B' && length > WireProxy.LARGE_MESSAGE) {
            WireRequest soFar = pending.soFar(beginning);
            WireAction action = session.proxy().script().onLargeMessage(soFar);
            if (action == WireAction.STALL || action == WireAction.CUT_BEFORE) {
                return perform(action, soFar);
            }
            if (action == WireAction.PASS) {
                streamLarge(header(type, length), beginning, length);
                return true;
            }
        }
        byte[] body = Arrays.copyOf(beginning, length);
        in.readFully(body, beginning.length, length - beginning.length);
        pending.add(header(type, length), body);
        return switch (type) {
            case 'S', 'Q', 'F' -> clientGoesOn() || decide();
            case 'H' -> flushed();
            default -> true;
        };
    }

    /**
     * Whether the client has already sent more, so that it does not wait for an answer yet. The driver sends its BEGIN
     * as a Query of its own in one write with what follows it: one request, one round trip.
     */
    private boolean clientGoesOn() throws IOException {
        if (in.available() == 0 || pending.size() > WireProxy.LARGE_MESSAGE) {
            return false;
        }
        in.mark(1);
        byte next = in.readByte();
        in.reset();
        return "PBDECQSFH".indexOf(next) >= 0;
    }

    /** The client waits for what a Flush brings out; without a Sync there is nothing to decide about yet. */
    private boolean flushed() throws IOException {
        if (pending.syncs() > 0) {
            return decide();
        }
        session.server().getOutputStream().write(pending.takeBytes());
        return true;
    }

    private void streamLarge(byte[] header, byte[] beginning, int length) throws IOException {
        int syncs = pending.syncs();
        pending.add(header, beginning);
        if (syncs > 0) {
            session.exchanges().add(Exchange.part(syncs));
        }
        stream(pending.takeBytes(), length - beginning.length);
    }

    private boolean decide() throws IOException {
        WireRequest request = pending.complete();
        session.proxy().saw(request);
        WireAction action = session.proxy().script().onRequest(request);
        return !session.silent() && perform(action, request);
    }

    /** Does it; false if the client is not heard any more. */
    private boolean perform(WireAction action, WireRequest request) throws IOException {
        switch (action) {
            case PASS, TRICKLE -> session.send(Exchange.of(action, pending.syncs()), pending.takeBytes());
            case CUT_AFTER, BLACK_HOLE_AFTER -> {
                session.send(Exchange.of(action, pending.syncs()), pending.takeBytes());
                passCopyData();
            }
            case CUT_BEFORE -> session.cut();
            case HOLD_AND_CUT -> {
                session.hold(new HeldRequest(request, pending, session));
                Sockets.reset(session.client());
            }
            case BLACK_HOLE_BEFORE -> {
                session.silence();
                session.hold(new HeldRequest(request, pending, session));
            }
            case STALL -> {
                // Reading nothing is all: the client's writes block when the buffers of the kernel are full.
                while (!session.awaitEnd(Duration.ofDays(1))) {
                    continue;
                }
            }
        }
        return action == WireAction.PASS || action == WireAction.TRICKLE;
    }

    /** A COPY whose answer nobody will hear still needs its data; all else the client says goes nowhere. */
    private void passCopyData() throws IOException {
        while (session.clientOpen()) {
            byte type = in.readByte();
            int length = in.readInt() - Integer.BYTES;
            if (session.copyingIn() && (type == 'd' || type == 'c' || type == 'f')) {
                stream(header(type, length), length);
            } else {
                in.skipNBytes(length);
            }
        }
    }

    /** Hears and forgets, so that the end of the client is seen. */
    private void discard() throws IOException {
        byte[] nowhere = new byte[1 << 14];
        InputStream raw = in;
        while (raw.read(nowhere) >= 0) {
            continue;
        }
    }

    private void stream(byte[] first, int length) throws IOException {
        byte[] buffer = new byte[Math.min(length, 1 << 16)];
        session.server().getOutputStream().write(first);
        int left = length;
        while (left > 0) {
            int read = in.read(buffer, 0, Math.min(left, buffer.length));
            if (read < 0) {
                throw new EOFException();
            }
            left -= read;
            if (!session.silent()) {
                session.server().getOutputStream().write(buffer, 0, read);
            }
        }
    }

    private static byte[] header(byte type, int length) {
        return ByteBuffer.allocate(HEADER).put(type).putInt(length + Integer.BYTES).array();
    }
}
