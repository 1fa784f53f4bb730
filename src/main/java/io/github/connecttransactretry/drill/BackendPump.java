package io.github.connecttransactretry.drill;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Reads what the server answers and gives it to the client, or to nobody. */
final class BackendPump implements Runnable {

    private static final int HEADER = 5;

    private final WireSession session;
    private DataInputStream in;
    private OutputStream out;
    private boolean started;

    BackendPump(WireSession session) {
        this.session = session;
    }

    @Override
    public void run() {
        boolean orderly = false;
        try {
            in = new DataInputStream(new BufferedInputStream(session.server().getInputStream(), 1 << 16));
            out = new BufferedOutputStream(session.client().getOutputStream(), 1 << 16);
            while (relay()) {
                continue;
            }
            orderly = true;
        } catch (IOException broken) {
            orderly = false;
        }
        serverEnded(orderly);
    }

    /** One message; false at the end of the stream. */
    private boolean relay() throws IOException {
        int type = in.read();
        if (type < 0) {
            return false;
        }
        int length = in.readInt() - Integer.BYTES;
        Exchange exchange = session.exchanges().peek();
        switch (type) {
            case 'K', 'C', 'E', 'G', 'W' -> {
                byte[] body = readBody(length);
                note(type, body, exchange);
                boolean opensCopy = type == 'G' || type == 'W';
                write(type, body, opensCopy && exchange != null && exchange.held() == null ? null : exchange);
            }
            case 'Z' -> readyForQuery(readBody(length), exchange);
            default -> stream(type, length, exchange);
        }
        if (in.available() == 0) {
            flush();
        }
        return true;
    }

    private void note(int type, byte[] body, Exchange exchange) {
        // Without a request on its way, only a farewell such as FATAL 57P01 comes: it is what a held request will meet.
        HeldRequest held = exchange == null ? session.held() : exchange.held();
        switch (type) {
            case 'K' -> session.pid(ByteBuffer.wrap(body).getInt());
            case 'C' -> {
                if (held != null) {
                    held.said(text(body, 0));
                }
            }
            case 'E' -> {
                if (held != null) {
                    held.said(field(body, 'V') + " " + field(body, 'C'));
                }
            }
            default -> {
                session.copyingIn(true);
                if (held != null) {
                    // Nobody is there who would send the data.
                    Sockets.close(session.server());
                }
            }
        }
    }

    private void readyForQuery(byte[] body, Exchange exchange) throws IOException {
        if (!started) {
            started = true;
            write('Z', body, null);
            return;
        }
        session.copyingIn(false);
        boolean last = exchange != null && exchange.ready();
        if (last && exchange.whole()) {
            // Before the client can read the answer and ask how many there were.
            session.proxy().countRoundTrip();
        }
        write('Z', body, exchange);
        if (last) {
            finish(exchange);
            session.exchanges().poll();
        }
    }

    private void finish(Exchange exchange) {
        if (exchange.fate() == Exchange.Fate.SWALLOW_AND_CUT) {
            session.cut();
        } else if (exchange.fate() == Exchange.Fate.SWALLOW) {
            session.silence();
        }
        if (exchange.held() != null) {
            exchange.held().complete();
            if (!session.clientOpen()) {
                Sockets.close(session.server());
            }
        }
    }

    private void stream(int type, int length, Exchange exchange) throws IOException {
        if (exchange != null && exchange.fate() == Exchange.Fate.TRICKLE) {
            write(type, readBody(length), exchange);
            return;
        }
        boolean heard = heard(exchange);
        if (heard) {
            out.write(header(type, length));
        }
        byte[] buffer = new byte[Math.min(length, 1 << 14)];
        int left = length;
        while (left > 0) {
            int read = in.read(buffer, 0, Math.min(left, buffer.length));
            if (read < 0) {
                throw new EOFException();
            }
            left -= read;
            if (heard && !session.silent()) {
                out.write(buffer, 0, read);
            }
        }
    }

    private void write(int type, byte[] body, Exchange exchange) throws IOException {
        if (!heard(exchange)) {
            return;
        }
        if (exchange == null || exchange.fate() != Exchange.Fate.TRICKLE) {
            out.write(header(type, body.length));
            out.write(body);
            return;
        }
        byte[] all = ByteBuffer.allocate(HEADER + body.length).put(header(type, body.length)).put(body).array();
        for (byte one : all) {
            if (session.awaitEnd(session.proxy().trickleInterval()) || session.silent()) {
                return;
            }
            out.write(one);
            out.flush();
        }
    }

    private void flush() throws IOException {
        if (!session.silent() && session.clientOpen()) {
            out.flush();
        }
    }

    private boolean heard(Exchange exchange) {
        return !session.silent() && session.clientOpen() && (exchange == null || exchange.fate().reachesClient());
    }

    private void serverEnded(boolean orderly) {
        Exchange waiting = session.exchanges().peek();
        if (waiting != null && waiting.fate() == Exchange.Fate.SWALLOW) {
            session.silence();
        }
        boolean cut = !orderly || waiting != null && waiting.fate() == Exchange.Fate.SWALLOW_AND_CUT;
        if (!session.silent() && session.held() == null) {
            try {
                flush();
            } catch (IOException clientGone) {
                cut = true;
            }
            if (cut) {
                session.cut();
            } else {
                Sockets.close(session.client());
            }
        }
        session.serverGone();
    }

    private byte[] readBody(int length) throws IOException {
        byte[] body = new byte[length];
        in.readFully(body);
        return body;
    }

    /** A field of an ErrorResponse: a letter and a zero-ended text each. */
    private static String field(byte[] body, char wanted) {
        int at = 0;
        while (at < body.length && body[at] != 0) {
            String value = text(body, at + 1);
            if (body[at] == wanted) {
                return value;
            }
            at += 2 + value.getBytes(StandardCharsets.UTF_8).length;
        }
        return "?";
    }

    private static String text(byte[] body, int from) {
        int end = from;
        while (end < body.length && body[end] != 0) {
            end++;
        }
        return new String(body, from, end - from, StandardCharsets.UTF_8);
    }

    private static byte[] header(int type, int length) {
        return ByteBuffer.allocate(HEADER).put((byte) type).putInt(length + Integer.BYTES).array();
    }
}
