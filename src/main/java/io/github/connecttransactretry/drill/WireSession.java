package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * One client of a proxy and its connection to the server. Two threads work on it, {@link FrontendPump} and {@link
 * BackendPump}; what they share is here, safe from any thread.
 */
final class WireSession {

    private final WireProxy proxy;
    private final int number;
    private final Socket client;
    private final Queue<Exchange> exchanges = new ConcurrentLinkedQueue<>();
    private final AtomicReference<HeldRequest> held = new AtomicReference<>();
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile Socket server;
    private volatile int pid;
    private volatile boolean silent;
    private volatile boolean copyingIn;

    WireSession(WireProxy proxy, int number, Socket client) {
        this.proxy = proxy;
        this.number = number;
        this.client = client;
    }

    WireProxy proxy() {
        return proxy;
    }

    int number() {
        return number;
    }

    Socket client() {
        return client;
    }

    Socket server() {
        return server;
    }

    /** Takes the connection to the server; false if the session has ended meanwhile. */
    boolean connected(Socket toServer) {
        server = toServer;
        if (ended.getCount() == 0) {
            Sockets.reset(toServer);
            return false;
        }
        return true;
    }

    int pid() {
        return pid;
    }

    void pid(int backend) {
        pid = backend;
    }

    Queue<Exchange> exchanges() {
        return exchanges;
    }

    /** Whether the client neither hears nor is heard any more. */
    boolean silent() {
        return silent;
    }

    void silence() {
        silent = true;
    }

    /** Whether the server has asked for COPY data and the request has not been answered yet. */
    boolean copyingIn() {
        return copyingIn;
    }

    void copyingIn(boolean now) {
        copyingIn = now;
    }

    boolean clientOpen() {
        return !client.isClosed();
    }

    /** Sends the server what its client meant to say, on behalf of the client. */
    void send(Exchange exchange, byte[] bytes) throws IOException {
        exchanges.add(exchange);
        server.getOutputStream().write(bytes);
    }

    /** Keeps a request for later. */
    void hold(HeldRequest request) {
        held.set(request);
        proxy.hold(request);
        if (server.isClosed()) {
            // The other pump may have ended before it could see this request.
            request.connectionEnded();
        }
    }

    HeldRequest held() {
        return held.get();
    }

    void deliver(HeldRequest request) {
        try {
            send(Exchange.of(request), request.bytes());
        } catch (IOException serverGone) {
            // The other pump sees it too and may still read a last word; it completes the request.
            Sockets.close(server);
        }
    }

    /** The client hangs up or is done; the server hears of it unless the session is a black hole or holds a request. */
    void clientGone() {
        Sockets.close(client);
        if (!silent && !awaitsAnswerForNobody()) {
            end();
        } else {
            leaveIfOver();
        }
    }

    private boolean awaitsAnswerForNobody() {
        return held.get() != null || exchanges.stream().anyMatch(exchange -> !exchange.fate().reachesClient());
    }

    /** The server has hung up: an orderly end for the client. */
    void serverGone() {
        Sockets.close(server);
        HeldRequest waiting = held.get();
        if (waiting != null) {
            waiting.connectionEnded();
        }
        leaveIfOver();
    }

    /** Resets both sides; a request that is held keeps its server. */
    void cut() {
        Sockets.reset(client);
        HeldRequest waiting = held.get();
        if (waiting == null || waiting.outcome().isPresent()) {
            Sockets.reset(server);
            end();
        }
    }

    /** Closes both sides and wakes whoever waits. */
    void end() {
        Sockets.close(client);
        Sockets.close(server);
        leaveIfOver();
    }

    private void leaveIfOver() {
        if (client.isClosed() && (server == null || server.isClosed())) {
            ended.countDown();
            proxy.left(this);
        }
    }

    /** Waits for the end of the session; false if it has not come in time. */
    boolean awaitEnd(Duration atMost) {
        try {
            return ended.await(atMost.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException closing) {
            return true;
        }
    }
}
