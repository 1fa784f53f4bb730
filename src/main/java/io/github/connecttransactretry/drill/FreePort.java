package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/** Finds ports that stay free while a server is down. Thread-safe. */
public final class FreePort {

    // Linux hands out 32768 and above to clients (ip_local_port_range). From there a stopped server's port could be
    // taken by any client, and a client that tries to reach it could even connect to itself.
    private static final int LOWEST = 15_000;
    private static final int BEYOND = 32_000;
    private static final int TRIES = 200;

    private FreePort() {
    }

    /**
     * Finds one on the loopback interface.
     *
     * @return a port that nobody listens on now, and that the system gives to no client of its own accord
     * @throws IllegalStateException when many tries found none
     */
    public static int find() {
        for (int i = 0; i < TRIES; i++) {
            int port = ThreadLocalRandom.current().nextInt(LOWEST, BEYOND);
            try (ServerSocket socket = new ServerSocket()) {
                socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                return port;
            } catch (IOException taken) {
                continue;
            }
        }
        throw new IllegalStateException("no free port from " + LOWEST + " to " + BEYOND + " in " + TRIES + " tries");
    }
}
