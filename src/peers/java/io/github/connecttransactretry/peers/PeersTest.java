package io.github.connecttransactretry.peers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.drill.PostgresServer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Other ways to retry beside this library, under the same faults. Each must come out as it is expected to: that those who repeat
 * a lost COMMIT double it shows that the faults were made, and that the audit sees them.
 */
class PeersTest {

    private static final int CALLS = Integer.getInteger("peers.calls", 2000);
    private static final long SEED = Long.getLong("peers.seed", 20_260_101L);
    private static final String ONLY = System.getProperty("peers.only", "");
    private static final double LEAST_SHARE_OF_FAULTS = 0.9;

    @Test
    @Timeout(value = 45, unit = TimeUnit.MINUTES)
    void everyPeerComesOutAsExpected() throws Exception {
        System.out.println("peers: seed " + SEED + ", " + CALLS + " calls each (-Dpeers.seed=, -Dpeers.calls=, -Dpeers.only=)");
        FaultPlan plan = new FaultPlan(CALLS, SEED);
        List<Roster.Entry> entries = Roster.entries().stream().filter(entry -> entry.name().contains(ONLY)).toList();
        assertFalse(entries.isEmpty(), "no peer's name contains " + ONLY);
        List<PeerResult> results = new ArrayList<>();
        for (Roster.Entry entry : entries) {
            long begun = System.nanoTime();
            System.out.println("peers: " + (results.size() + 1) + " of " + entries.size() + ", " + entry.name());
            PeerResult result = new Bench(entry, plan, System.out).run();
            results.add(result);
            System.out.print("  in " + TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begun) + " s: " + result.row());
        }
        PeersPage page = new PeersPage(plan, SEED, versionOfServer(), results);
        System.out.print(page);
        page.write(Path.of("target", "peers.md"));
        if (Boolean.getBoolean("peers.docs") && ONLY.isEmpty()) {
            page.replaceIn(Path.of("docs", "peers.md"));
        }
        assertEquals("", results.stream().map(result -> result.contradiction(plan)).collect(Collectors.joining()));
        long planned = CALLS - plan.count(Fault.NONE);
        for (PeerResult result : results) {
            assertTrue(result.faultsMade() > LEAST_SHARE_OF_FAULTS * planned,
                    result.entry().name() + " met " + result.faultsMade() + " faults of " + planned);
        }
    }

    private static String versionOfServer() {
        try (PostgresServer server = PostgresServer.launch()) {
            return server.version();
        }
    }
}
