package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.net.Socket;

/** The two ways to end a TCP connection. Null and closed sockets are allowed. */
final class Sockets {

    private Sockets() {
    }

    /** An orderly end: the peer reads the end of the stream. */
    static void close(Socket socket) {
        if (socket == null) {
            return;
        }
        try {
            socket.close();
        } catch (IOException alreadyBroken) {
            return;
        }
    }

    /** A hard end: the peer gets "connection reset". A linger time of zero makes close() send an RST. */
    static void reset(Socket socket) {
        if (socket == null) {
            return;
        }
        try {
            socket.setSoLinger(true, 0);
        } catch (IOException alreadyBroken) {
            close(socket);
            return;
        }
        close(socket);
    }
}
