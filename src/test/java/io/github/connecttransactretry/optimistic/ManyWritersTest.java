package io.github.connecttransactretry.optimistic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.Isolation;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.fixtures.RecordedEvents;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.observe.TransactionEvent;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Sixteen writers of a few rows: nothing that was acknowledged is lost, nothing is written twice. */
class ManyWritersTest {

    private static final int WRITERS = 16;
    private static final int UPDATES = 10_000;
    private static final int ROWS = 32;
    /** Updates in one transaction, to save time; in the order of the keys, since there would be deadlocks else. */
    private static final int BATCH = 5;

    private static TestDatabase database;
    private static HikariDataSource pool;
    private static ConnectTransactRetry engine;
    private static final RecordedEvents EVENTS = new RecordedEvents();

    @BeforeAll
    static void launch() {
        database = TestDatabase.launch(Map.of("fsync", "off"));
        pool = database.pool(WRITERS, "");
        engine = ConnectTransactRetry.builder(pool).listener(EVENTS).build();
    }

    @AfterAll
    static void stop() {
        engine.close();
        pool.close();
        database.close();
    }

    private interface Writer {
        void write(int writer) throws Exception;
    }

    private static void together(Writer writer) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(WRITERS);
        try {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < WRITERS; i++) {
                int number = i;
                all.add(threads.submit(() -> {
                    writer.write(number);
                    return null;
                }));
            }
            for (Future<?> each : all) {
                each.get();
            }
        } finally {
            threads.shutdownNow();
        }
    }

    /** Each writer adds three items of its own to one list, which is read and written as a whole. */
    @ParameterizedTest
    @EnumSource(names = {"READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE"})
    void mergesConverge(Isolation isolation) throws Exception {
        database.execute("DROP TABLE IF EXISTS lists", "CREATE TABLE lists (name text PRIMARY KEY, changed timestamptz, items text)",
                "INSERT INTO lists VALUES ('all', now(), '')");
        VersionedTable lists = VersionedTable.of("lists").key("name").version("changed", NextVersion.clock());
        TransactionOptions options = TransactionOptions.defaults().withIsolation(isolation).withTimeout(Duration.ofMinutes(2));
        AtomicInteger merges = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        int before = EVENTS.of(TransactionEvent.AttemptStarted.class).size();
        together(writer -> {
            for (int item = 0; item < 3; item++) {
                String own = writer + "." + item;
                engine.execute(options, tx -> {
                    AtomicInteger here = new AtomicInteger();
                    lists.merge(tx.connection(), "all", row -> {
                        here.incrementAndGet();
                        return Map.of("items", row.get("items") + " " + own);
                    });
                    merges.addAndGet(here.get());
                    most.accumulateAndGet(here.get(), Math::max);
                });
            }
        });
        String[] items = database.ask("SELECT items FROM lists").trim().split(" ");
        int attempts = EVENTS.of(TransactionEvent.AttemptStarted.class).size() - before;
        System.out.println("merge by 16 writers at " + isolation + ": " + items.length + " items, " + attempts + " attempts, " + merges
                + " merges in those that committed, at most " + most + " in one");
        assertEquals(WRITERS * 3, items.length);
        assertEquals(WRITERS * 3, Arrays.stream(items).distinct().count());
        assertTrue(isolation == Isolation.READ_COMMITTED ? attempts == WRITERS * 3 && most.get() == 2 : attempts > WRITERS * 3,
                attempts + " attempts, at most " + most + " merges");
    }

    /** Half of the writers merge; the other half write by hand, and on a stale version load again and begin anew. */
    @Test
    void noUpdateIsLostInTenThousand() throws Exception {
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        database.execute("DROP TABLE IF EXISTS counters", "CREATE TABLE counters (id int PRIMARY KEY, version int NOT NULL, total int)",
                "INSERT INTO counters SELECT n, 0, 0 FROM generate_series(1, " + ROWS + ") n");
        VersionedTable counters = VersionedTable.of("counters").key("id").version("version");
        AtomicInteger stale = new AtomicInteger();
        AtomicInteger merges = new AtomicInteger();
        together(writer -> {
            Random random = new Random(seed + writer);
            for (int i = 0; i < UPDATES / WRITERS / BATCH; i++) {
                int[] ids = random.ints(1, ROWS + 1).distinct().limit(BATCH).sorted().toArray();
                if (writer % 2 == 0) {
                    engine.execute(tx -> {
                        for (int id : ids) {
                            counters.merge(tx.connection(), id, row -> {
                                merges.incrementAndGet();
                                return Map.of("total", row.get("total", Integer.class) + 1);
                            });
                        }
                    });
                } else {
                    stale.addAndGet(byHand(counters, ids));
                }
            }
        });
        String sums = database.ask("SELECT concat_ws(' ', sum(total), sum(version), min(total)) FROM counters");
        System.out.println(UPDATES + " updates by 16 writers on " + ROWS + " rows: sum of totals, of versions, least total: " + sums
                + "; stale versions " + stale + ", merges " + merges + " for " + UPDATES / 2 + " writes");
        assertTrue(sums.startsWith(UPDATES + " " + UPDATES + " "), sums);
        assertTrue(stale.get() > 0 && merges.get() > UPDATES / 2, "there was no race: " + stale + ", " + merges);
    }

    /** How often it was stale. */
    private static int byHand(VersionedTable counters, int[] ids) throws SQLException {
        for (int stale = 0; true; stale++) {
            // Two transactions, as a form that is shown and then sent.
            List<VersionedRow> shown = engine.run(tx -> {
                List<VersionedRow> rows = new ArrayList<>();
                for (int id : ids) {
                    rows.add(counters.load(tx.connection(), id).orElseThrow());
                }
                return rows;
            });
            try {
                engine.execute(tx -> {
                    for (VersionedRow row : shown) {
                        counters.update(tx.connection(), row, Map.of("total", row.get("total", Integer.class) + 1));
                    }
                });
                return stale;
            } catch (StaleVersionException overtaken) {
                assertTrue(overtaken.gap().orElseThrow().signum() > 0, overtaken::toString);
            }
        }
    }
}
