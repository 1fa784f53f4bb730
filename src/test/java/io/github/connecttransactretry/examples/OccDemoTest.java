package io.github.connecttransactretry.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import com.zaxxer.hikari.HikariDataSource;
import io.github.connecttransactretry.fixtures.TestDatabase;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Runs the demo on a real server, with the library's log lines on the console. */
class OccDemoTest {

    @Test
    void ordersAreThereOnce() throws Exception {
        Logger library = (Logger) LoggerFactory.getLogger("io.github.connecttransactretry");
        Level before = library.getLevel();
        ListAppender<ILoggingEvent> lines = new ListAppender<>();
        lines.start();
        library.addAppender(lines);
        library.setLevel(Level.INFO);
        try (TestDatabase database = TestDatabase.launch();
                HikariDataSource pool = database.pool(10, "prepareThreshold=1")) {
            OccDemo.Result result = new OccDemo(pool, database.plain(""), System.out).run();
            requireVerdict(result);
        } finally {
            library.setLevel(before);
            library.detachAppender(lines);
        }
        requireLines(lines.list.stream().map(ILoggingEvent::getFormattedMessage).toList());
    }

    private static void requireVerdict(OccDemo.Result result) {
        assertEquals(OccDemo.PLANNED_LETTERS, result.letters(), result::toString);
        assertEquals(OccDemo.PLANNED_LETTERS, result.takenUp().done(), result::toString);
        int loaded = OccDemo.ORDERS - OccDemo.PLANNED_LETTERS;
        assertEquals("verdict: orders acknowledged = orders in the table (" + loaded + ", " + loaded + "), 0 doubled",
                result.loaded().toString());
        assertEquals("verdict: orders acknowledged = orders in the table (120, 120), 0 doubled", result.repeated().toString());
        for (String kind : List.of("0A000", "OC000", "OC001")) {
            assertTrue(result.retries().getOrDefault(kind, 0) > 0, () -> kind + ": " + result);
        }
    }

    private static void requireLines(List<String> lines) {
        String retried = "order failed in %s with %s \\(ERROR: .*%s.*\\): attempt \\d+ of 12, next in \\d+ ms";
        for (String line : List.of(retried.formatted("BODY", "0A000", "cached plan must not change result type"),
                retried.formatted("COMMIT", "40001", "\\(OC000\\)"), retried.formatted("COMMIT", "40001", "\\(OC001\\)"),
                "order done after \\d+ attempts in \\d+ ms",
                "order ended with RetriesExhaustedException after 12 attempts in \\d+ ms")) {
            assertTrue(lines.stream().anyMatch(logged -> logged.matches(line)), () -> line + " is not in " + lines);
        }
    }
}
