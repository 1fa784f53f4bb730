package io.github.connecttransactretry.peers;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireProxy;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Makes the faults of a plan on the wire, each once, where its call is. Safe from any thread. */
final class WireFaults implements WireScript, AutoCloseable {

    private static final Pattern MARK = Pattern.compile("/\\*call (\\d+)\\*/");
    private static final Duration BOUND = Duration.ofSeconds(60);

    private final FaultPlan plan;
    private final PostgresServer server;
    private final WireProxy proxy;
    private final Map<Integer, Integer> callOfSession = new ConcurrentHashMap<>();
    private final Set<Integer> struck = ConcurrentHashMap.newKeySet();
    private final ScheduledThreadPoolExecutor clock = new ScheduledThreadPoolExecutor(Bench.THREADS);
    private final AtomicInteger held = new AtomicInteger();
    private final AtomicInteger released = new AtomicInteger();
    private final List<Future<?>> underWay = new CopyOnWriteArrayList<>();

    WireFaults(FaultPlan plan, PostgresServer server, WireProxy proxy) {
        this.plan = plan;
        this.server = server;
        this.proxy = proxy;
    }

    /** What the first statement of each attempt begins with. */
    static String mark(int call) {
        return "/*call " + call + "*/ ";
    }

    @Override
    public WireAction onRequest(WireRequest request) {
        request.statements().stream().map(MARK::matcher).filter(Matcher::find).findFirst()
                .ifPresent(mark -> callOfSession.put(request.session(), Integer.valueOf(mark.group(1))));
        // After its COMMIT a session is nobody's, until the next mark.
        Integer call = request.isCommit() ? callOfSession.remove(request.session()) : callOfSession.get(request.session());
        if (call == null || !plan.of(call).isFor(request) || !struck.add(call)) {
            return WireAction.PASS;
        }
        Fault fault = plan.of(call);
        if (fault == Fault.SERVER_CRASH) {
            underWay.add(clock.submit(() -> {
                server.crash();
                server.start();
            }));
        } else if (fault == Fault.COMMIT_LATE) {
            int ordinal = held.incrementAndGet();
            underWay.add(clock.schedule(() -> release(ordinal), plan.lateMillis(call), TimeUnit.MILLISECONDS));
        }
        return fault.terminatesBackend() ? terminated(request.pid()) : fault.action;
    }

    /** Again until as many were released as were to be by now: the proxy holds a request only after this script has answered. */
    private void release(int ordinal) {
        Await.until("late COMMIT " + ordinal + " to be held", BOUND,
                () -> released.addAndGet(proxy.releaseHeld().size()) >= ordinal);
    }

    /** Ends the backend before its request reaches it. */
    private WireAction terminated(int pid) {
        try (Connection connection = server.connect(); PreparedStatement end = connection.prepareStatement(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE pid = ?")) {
            end.setInt(1, pid);
            Await.until("the end of backend " + pid, BOUND, () -> {
                try (ResultSet alive = end.executeQuery()) {
                    return !alive.next();
                }
            });
            return WireAction.PASS;
        } catch (SQLException crashed) {
            return WireAction.CUT_BEFORE;
        }
    }

    /** How many of each there were. */
    Map<Fault, Integer> made() {
        Map<Fault, Integer> made = new EnumMap<>(Fault.class);
        struck.forEach(call -> made.merge(plan.of(call), 1, Integer::sum));
        return made;
    }

    /** Returns when every COMMIT on its way has arrived and the server is up. */
    void settle() throws Exception {
        for (Future<?> one : underWay) {
            one.get(BOUND.toSeconds(), TimeUnit.SECONDS);
        }
    }

    @Override
    public void close() {
        clock.shutdownNow();
    }
}
