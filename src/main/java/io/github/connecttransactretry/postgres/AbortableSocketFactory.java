package io.github.connecttransactretry.postgres;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import javax.net.SocketFactory;

/**
 * Plain sockets for pgjdbc to build TLS upon, whose write can be ended by the engine even if the peer has stopped reading: add
 * {@code socketFactory=io.github.connecttransactretry.postgres.AbortableSocketFactory} to the JDBC URL.
 *
 * <p>{@link javax.net.ssl.SSLSocket#close()} says goodbye first, and for that waits until a write that is under way has ended:
 * for ever, unless {@code SO_LINGER} is set (JDK 17 to 25, {@code SSLSocketImpl.closeNotify}). Its limit is in whole seconds,
 * and as a socket option it would do harm: 0 resets every connection at its normal end. Hence these sockets call the limit 0,
 * and leave the option itself off. Without TLS they are like any others. Stateless and thread-safe.
 */
public final class AbortableSocketFactory extends SocketFactory {

    /** For pgjdbc, which finds it by its name. */
    public AbortableSocketFactory() {
    }

    /** An unconnected one, which is what pgjdbc asks for. */
    @Override
    public Socket createSocket() {
        return new AbortableSocket();
    }

    @Override
    public Socket createSocket(String host, int port) throws IOException {
        return connected(new InetSocketAddress(host, port), null);
    }

    @Override
    public Socket createSocket(String host, int port, InetAddress localHost, int localPort) throws IOException {
        return connected(new InetSocketAddress(host, port), new InetSocketAddress(localHost, localPort));
    }

    @Override
    public Socket createSocket(InetAddress host, int port) throws IOException {
        return connected(new InetSocketAddress(host, port), null);
    }

    @Override
    public Socket createSocket(InetAddress address, int port, InetAddress localAddress, int localPort) throws IOException {
        return connected(new InetSocketAddress(address, port), new InetSocketAddress(localAddress, localPort));
    }

    private Socket connected(SocketAddress remote, SocketAddress local) throws IOException {
        Socket socket = createSocket();
        try {
            socket.bind(local);
            socket.connect(remote);
            return socket;
        } catch (IOException | RuntimeException refused) {
            socket.close();
            throw refused;
        }
    }

    private static final class AbortableSocket extends Socket {

        @Override
        public int getSoLinger() {
            return 0;
        }
    }
}
