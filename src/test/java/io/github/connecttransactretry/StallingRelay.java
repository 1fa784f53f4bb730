package io.github.connecttransactretry;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/** A TCP relay on 127.0.0.1 that knows nothing of what it relays, and can stop reading from clients. Thread-safe. */
final class StallingRelay implements AutoCloseable {

    private final ServerSocket listener;
    private final int target;
    private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
    private final CountDownLatch end = new CountDownLatch(1);
    private final AtomicLong upstream = new AtomicLong();
    private final Set<Socket> stalled = ConcurrentHashMap.newKeySet();

    StallingRelay(int target) throws IOException {
        this.target = target;
        this.listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        spawn(this::accept);
    }

    int port() {
        return listener.getLocalPort();
    }

    /** From here on nothing more is read from those who are connected now, until {@link #close()}. */
    void stall() {
        stalled.addAll(sockets);
    }

    /** How many bytes were read from clients. */
    long upstream() {
        return upstream.get();
    }

    private void accept() throws IOException {
        while (true) {
            Socket client = listener.accept();
            Socket server = new Socket(InetAddress.getLoopbackAddress(), target);
            sockets.add(client);
            sockets.add(server);
            spawn(() -> pump(client, server, true));
            spawn(() -> pump(server, client, false));
        }
    }

    private void pump(Socket from, Socket to, boolean up) throws IOException, InterruptedException {
        byte[] buffer = new byte[16_384];
        try (from; to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                out.write(buffer, 0, read);
                upstream.addAndGet(up ? read : 0);
                if (up && stalled.contains(from)) {
                    end.await();
                }
            }
        }
    }

    /** Work that ends with its sockets. */
    private interface Work {
        void run() throws IOException, InterruptedException;
    }

    private static void spawn(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException | InterruptedException closed) {
                // As meant: by the client, by the server, or by close().
            }
        }, "stalling-relay");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        end.countDown();
        for (Socket socket : sockets) {
            socket.close();
        }
    }
}
