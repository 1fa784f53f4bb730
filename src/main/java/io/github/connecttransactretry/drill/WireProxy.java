package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A TCP proxy on 127.0.0.1 before a PostgreSQL that knows where a request begins and ends, so that it can cut a
 * connection exactly before or after a COMMIT, and counts round trips. A {@link WireScript} says what happens.
 *
 * <p>It reads the protocol 3 in plaintext only: connect with {@code sslmode=disable}. A server that is down shows as a
 * reset after connecting. All methods are safe from any thread.
 */
public final class WireProxy implements AutoCloseable {

    /** A Bind message longer than this many bytes is not collected but streamed. */
    public static final int LARGE_MESSAGE = 1 << 20;

    /** All threads of proxies have names that begin so. */
    public static final String THREAD_PREFIX = "wire-proxy-";

    private static final Duration BOUND = Duration.ofSeconds(30);
    private static final int BACKLOG = 1024;
    private static final int RECENT = 256;

    private final ServerSocket listener;
    private final Set<WireSession> sessions = ConcurrentHashMap.newKeySet();
    private final Set<Thread> threads = ConcurrentHashMap.newKeySet();
    private final AtomicInteger accepted = new AtomicInteger();
    private final AtomicLong roundTrips = new AtomicLong();
    private final Deque<WireRequest> recent = new ArrayDeque<>();
    private final List<HeldRequest> held = new ArrayList<>();
    private volatile InetSocketAddress target;
    private volatile WireScript script = WireScript.pass();
    private volatile Duration trickleInterval = Duration.ofMillis(100);
    private volatile boolean refusing;
    private volatile boolean silentOnConnect;
    private volatile boolean closed;

    private WireProxy(ServerSocket listener, InetSocketAddress target) {
        this.listener = listener;
        this.target = target;
    }

    /**
     * Opens a proxy that lets everything pass.
     *
     * @param serverPort the server's port on 127.0.0.1; nobody needs to listen there yet
     * @return the proxy; close it
     */
    public static WireProxy to(int serverPort) {
        return to(onLoopback(serverPort));
    }

    /**
     * Opens a proxy, itself on 127.0.0.1, before a server elsewhere that lets everything pass.
     *
     * @param host the server's name or address; looked up anew for each connection
     * @param serverPort the server's port
     * @return the proxy; close it
     */
    public static WireProxy to(String host, int serverPort) {
        return to(InetSocketAddress.createUnresolved(host, serverPort));
    }

    private static WireProxy to(InetSocketAddress server) {
        try {
            WireProxy proxy = new WireProxy(new ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress()), server);
            proxy.spawn("accept", proxy::accept);
            return proxy;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static InetSocketAddress onLoopback(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    /** The port on 127.0.0.1 that clients connect to; it stays open until {@link #close()}. */
    public int port() {
        return listener.getLocalPort();
    }

    /** Sends new connections to another server on 127.0.0.1; living ones stay where they are. */
    public void retarget(int serverPort) {
        target = onLoopback(serverPort);
    }

    /** Takes this script for all requests to come, of living sessions too. */
    public void script(WireScript next) {
        script = next;
    }

    /** Sets the time between two bytes for {@link WireAction#TRICKLE}; 100 ms at first. */
    public void trickleInterval(Duration interval) {
        trickleInterval = interval;
    }

    /** Resets new connections at once, or stops to do so. */
    public void refuse(boolean now) {
        refusing = now;
    }

    /** Accepts new connections and never says a word to them, or stops to do so; those already caught stay silent. */
    public void silentOnConnect(boolean now) {
        silentOnConnect = now;
    }

    /** Resets all sessions on both sides. The server's side of a held request stays, so that it can be released. */
    public void cutAll() {
        sessions.forEach(WireSession::cut);
    }

    /** Makes all present sessions black holes: both sides stay connected, and neither hears the other any more. */
    public void silenceAll() {
        sessions.forEach(WireSession::silence);
    }

    /** How many clients are connected now. One that hangs up during a {@link WireAction#STALL} is not noticed. */
    public int openConnections() {
        return (int) sessions.stream().filter(WireSession::clientOpen).count();
    }

    /** How many connections were accepted so far, cancel requests and silent ones included, refused ones not. */
    public int sessions() {
        return accepted.get();
    }

    /**
     * How many requests the server has answered up to their last ReadyForQuery; the startup is not counted. A BEGIN that
     * the driver sends in one write with the first statement is no round trip of its own.
     */
    public long roundTrips() {
        return roundTrips.get();
    }

    /** Counts from zero again. */
    public void resetRoundTrips() {
        roundTrips.set(0);
    }

    /** The last 256 requests of all sessions in the order of their arrival, whatever became of them. */
    public List<WireRequest> recentRequests() {
        synchronized (recent) {
            return List.copyOf(recent);
        }
    }

    /** How many requests are held back and wait for {@link #releaseHeld()}. */
    public int heldCount() {
        synchronized (held) {
            return held.size();
        }
    }

    /**
     * Delivers all requests that are held back, each on its own connection, and waits until the server has answered or
     * hung up on each.
     *
     * @return the requests with their outcomes, in the order in which they were held back
     * @throws IllegalStateException when one has no answer after 30 s
     */
    public List<HeldRequest> releaseHeld() {
        List<HeldRequest> released;
        synchronized (held) {
            released = List.copyOf(held);
            held.clear();
        }
        // Threads of their own: one may wait for a lock that another one holds.
        released.forEach(request -> spawn("release-" + request.request().session(), request::deliver));
        Await.until("the answers to " + released, BOUND, () -> released.stream().allMatch(r -> r.outcome().isPresent()));
        return released;
    }

    /** Ends all sessions and threads; held requests are never delivered. Further calls do nothing. */
    @Override
    public void close() {
        closed = true;
        try {
            listener.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Await.until("the end of the proxy's threads " + threads, BOUND, () -> {
            sessions.forEach(WireSession::end);
            threads.stream().filter(thread -> thread != Thread.currentThread()).forEach(Thread::interrupt);
            return threads.stream().allMatch(thread -> thread == Thread.currentThread() || !thread.isAlive());
        });
    }

    private void accept() {
        while (!closed) {
            try {
                Socket client = listener.accept();
                if (refusing) {
                    Sockets.reset(client);
                } else {
                    client.setTcpNoDelay(true);
                    admit(client);
                }
            } catch (IOException clientGoneOrClosing) {
                continue;
            }
        }
    }

    private void admit(Socket client) {
        WireSession session = new WireSession(this, accepted.incrementAndGet(), client);
        if (silentOnConnect) {
            session.silence();
        }
        sessions.add(session);
        spawn("client-" + session.number(), new FrontendPump(session));
    }

    void spawn(String name, Runnable work) {
        threads.removeIf(thread -> thread.getState() == Thread.State.TERMINATED);
        Thread thread = new Thread(work, THREAD_PREFIX + port() + "-" + name);
        thread.setDaemon(true);
        threads.add(thread);
        thread.start();
    }

    InetSocketAddress target() {
        return target.isUnresolved() ? new InetSocketAddress(target.getHostString(), target.getPort()) : target;
    }

    WireScript script() {
        return script;
    }

    Duration trickleInterval() {
        return trickleInterval;
    }

    void countRoundTrip() {
        roundTrips.incrementAndGet();
    }

    void saw(WireRequest request) {
        synchronized (recent) {
            if (recent.size() == RECENT) {
                recent.removeFirst();
            }
            recent.addLast(request);
        }
    }

    void hold(HeldRequest request) {
        synchronized (held) {
            held.add(request);
        }
    }

    void left(WireSession session) {
        sessions.remove(session);
    }
}
