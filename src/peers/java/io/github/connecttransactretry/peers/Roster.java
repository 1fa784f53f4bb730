package io.github.connecttransactretry.peers;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.OutcomeMode;
import java.util.List;

/** The peers, each in the configurations that its users have. */
final class Roster {

    private static final String OURS = "ConnectTransactRetry";
    private static final String CONFLICTS = "40001 and 40P01 alone; a lost connection fails the call";
    private static final String LOST_TOO = "40001, 40P01, class 08, 57P01 to 57P03 and a pool that times out";
    private static final String SAME = "10 attempts, 20 ms doubled up to 1 s";

    private Roster() {
    }

    /** What must be seen of a peer, so that the run itself can fail. */
    enum Expected {
        /** Nothing doubled, lost or wrong. */
        EXACTLY_ONCE,
        /** Nothing doubled, lost or wrong, and many calls unknown. */
        UNKNOWN,
        /** Many calls are there twice. */
        DOUBLED,
        /** Many calls are there that were reported failed, and none twice. */
        WRONG
    }

    /** Makes a peer. */
    @FunctionalInterface
    interface Maker {

        Peer on(HikariDataSource pool) throws Exception;
    }

    /**
     * A line of the table.
     *
     * @param name     of the peer and its configuration
     * @param version  of the library, or where the pattern is from
     * @param retries  what it retries
     * @param pace     how often and how fast
     * @param expected what must be seen
     * @param maker    makes it
     */
    record Entry(String name, String version, String retries, String pace, Expected expected, Maker maker) {
    }

    static List<Entry> entries() {
        String jdbi = version("jdbi");
        String spring = version("spring");
        String resilience4j = version("resilience4j");
        String failsafe = version("failsafe");
        return List.of(
                new Entry("Hand-written, DSQL sample's pattern", "aws-samples/aurora-dsql-samples", "40001 alone, on the same connection",
                        "4 attempts, 100 ms doubled", Expected.WRONG, DsqlSample::new),
                new Entry("Hand-written, lost connections too", "", LOST_TOO, SAME, Expected.DOUBLED,
                        pool -> new HandWritten(pool, false)),
                new Entry("Hand-written, lost COMMIT is unknown", "", LOST_TOO + "; says unknown where COMMIT was lost", SAME,
                        Expected.UNKNOWN, pool -> new HandWritten(pool, true)),
                new Entry("JDBI SerializableTransactionRunner", jdbi, "40001 alone, on the same connection", "10 attempts, no wait",
                        Expected.WRONG, pool -> new JdbiPeer(pool, false)),
                new Entry("JDBI, lost connections too", jdbi, "the same, in a loop that opens a new Handle for what is lost",
                        "10 attempts each; for what is lost 20 ms doubled up to 1 s", Expected.DOUBLED,
                        pool -> new JdbiPeer(pool, true)),
                new Entry("Spring, transient errors", spring, "TransientDataAccessException", SAME, Expected.WRONG,
                        pool -> new SpringPeer(pool, SpringPeer.Kind.TRANSIENT)),
                new Entry("Spring, any exception (default)", spring, "any exception, as RetryTemplate does unless told otherwise", SAME,
                        Expected.DOUBLED, pool -> new SpringPeer(pool, SpringPeer.Kind.ANY)),
                new Entry("Spring, STATUS_UNKNOWN heard", spring, "any exception, but says unknown where a synchronization was told"
                        + " STATUS_UNKNOWN after beforeCommit", SAME, Expected.UNKNOWN,
                        pool -> new SpringPeer(pool, SpringPeer.Kind.STATUS_HEARD)),
                new Entry("Resilience4j, conflicts", resilience4j, CONFLICTS, SAME, Expected.WRONG,
                        pool -> new Resilience4jPeer(pool, false)),
                new Entry("Resilience4j, lost connections too", resilience4j, LOST_TOO, SAME, Expected.DOUBLED,
                        pool -> new Resilience4jPeer(pool, true)),
                new Entry("Failsafe, conflicts", failsafe, CONFLICTS, SAME, Expected.WRONG, pool -> new FailsafePeer(pool, false)),
                new Entry("Failsafe, lost connections too", failsafe, LOST_TOO, SAME, Expected.DOUBLED,
                        pool -> new FailsafePeer(pool, true)),
                new Entry("Aurora DSQL connector's OCC retry, said again", "main branch; not in 1.0.0", "40001, OC000 and OC001",
                        "4 attempts, 100 ms doubled up to 5 s, plus 0 to 25 %", Expected.WRONG, DsqlConnectorOccRetry::new),
                new Entry(OURS + ", STATUS", "", "as classified; a COMMIT in doubt is resolved", "the library's defaults",
                        Expected.EXACTLY_ONCE, pool -> new ThisLibrary(pool, OutcomeMode.STATUS)),
                new Entry(OURS + ", STATUS_THEN_LEDGER", "", "as classified; a COMMIT in doubt is resolved", "the library's defaults",
                        Expected.EXACTLY_ONCE, pool -> new ThisLibrary(pool, OutcomeMode.STATUS_THEN_LEDGER)));
    }

    private static String version(String library) {
        return System.getProperty("peers." + library + ".version", "");
    }
}
