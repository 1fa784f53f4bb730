package io.github.connecttransactretry.drill;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** A client that says exactly what a test wants, for what no driver says or shows. Protocol 3, user postgres. */
final class RawClient implements AutoCloseable {

    private final Socket socket;
    private final DataInputStream in;

    RawClient(int port) throws IOException {
        socket = new Socket(InetAddress.getLoopbackAddress(), port);
        socket.setSoTimeout(30_000);
        in = new DataInputStream(socket.getInputStream());
        byte[] options = bytes("user\0postgres\0database\0postgres\0\0");
        socket.getOutputStream().write(ByteBuffer.allocate(8 + options.length).putInt(8 + options.length).putInt(3 << 16)
                .put(options).array());
        answersUntil('Z');
    }

    /** Sends messages in one write. */
    void send(byte[]... messages) throws IOException {
        int length = 0;
        for (byte[] message : messages) {
            length += message.length;
        }
        ByteBuffer all = ByteBuffer.allocate(length);
        for (byte[] message : messages) {
            all.put(message);
        }
        socket.getOutputStream().write(all.array());
    }

    static byte[] message(char type, String body) {
        byte[] bytes = bytes(body);
        return ByteBuffer.allocate(5 + bytes.length).put((byte) type).putInt(4 + bytes.length).put(bytes).array();
    }

    /** Parse, Bind and Execute of the unnamed statement. */
    static byte[][] execute(String sql) {
        return new byte[][] {message('P', "\0" + sql + "\0\0\0"), message('B', "\0\0\0\0\0\0\0\0"), message('E', "\0\0\0\0\0")};
    }

    /** The types of the messages that come, up to and including one of this type. */
    String answersUntil(char last) throws IOException {
        StringBuilder types = new StringBuilder();
        do {
            types.append((char) in.readByte());
            in.skipNBytes(in.readInt() - 4);
        } while (types.charAt(types.length() - 1) != last);
        return types.toString();
    }

    /** Whether not one byte, nor the end of the stream, comes within this time. */
    boolean hearsNothingFor(int millis) throws IOException {
        socket.setSoTimeout(millis);
        try {
            in.read();
            return false;
        } catch (SocketTimeoutException silence) {
            return true;
        } finally {
            socket.setSoTimeout(30_000);
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
