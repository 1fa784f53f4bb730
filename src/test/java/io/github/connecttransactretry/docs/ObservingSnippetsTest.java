package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.chaos.Fault;
import io.github.connecttransactretry.chaos.FaultPlan;
import io.github.connecttransactretry.chaos.FaultyDataSource;
import io.github.connecttransactretry.fixtures.TestDatabase;
import io.github.connecttransactretry.micrometer.MicrometerListener;
import io.github.connecttransactretry.observe.FlightRecorderListener;
import io.github.connecttransactretry.pacing.CircuitBreaker;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java of docs/observing.md, run on a real server with a real conflict and a lost COMMIT; see {@link SnippetsTest}. */
class ObservingSnippetsTest {

    private final MeterRegistry registry = new SimpleMeterRegistry();

    @TempDir
    private Path directory;

    @Test
    void metersAndARecording() throws SQLException, IOException {
        FaultPlan plan = FaultPlan.script()
                .atStatement(1, "INSERT INTO seen", Fault.raise("40001"))
                .atCommit(1, "INSERT INTO seen", Fault.LOSE_ANSWER);
        try (TestDatabase database = TestDatabase.launch(); Recording recording = new Recording();
                FaultyDataSource faulty = FaultyDataSource.wrap(database.plain(""), plan)) {
            database.execute("CREATE TABLE seen (one int)");
            recording.start();
            call(faulty);
            recording.stop();
            Path file = directory.resolve("recording.jfr");
            recording.dump(file);
            Set<String> names = names(RecordingFile.readAllEvents(file));
            for (String name : List.of("Call", "Doubt", "FailedAttempt", "Retry")) {
                assertTrue(names.contains("io.github.connecttransactretry." + name), () -> name + " is not in " + names);
            }
            assertEquals(1, database.count("seen"));
        }
        assertEquals(1, registry.get("connect.transact.retry.doubts").tag("outcome", "Committed").timer().count());
        System.out.println(print(registry));
    }

    private void call(DataSource dataSource) throws SQLException {
        // snippet
        CircuitBreaker breaker = CircuitBreaker.waiting();
        ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource)
                .circuitBreaker(breaker)
                .listener(new MicrometerListener(registry).watch("orders", breaker))
                .listener(new FlightRecorderListener())
                .build();
        // end
        executor.execute(TransactionOptions.defaults().withLabel("order"),
                tx -> assertEquals(1, tx.connection().createStatement().executeUpdate("INSERT INTO seen VALUES (1)")));
        assertEquals(1, registry.get("connect.transact.retry.circuit.state").tag("state", "closed").gauge().value());
        executor.close();
    }

    private static Set<String> names(List<RecordedEvent> events) {
        return events.stream().map(event -> event.getEventType().getName()).collect(Collectors.toCollection(TreeSet::new));
    }

    private static String print(MeterRegistry registry) {
        List<Meter> meters = registry.getMeters();
        assertTrue(meters.size() > 5, "few meters: " + meters);
        return meters.stream().map(meter -> meter.getId().getName() + " " + meter.getId().getTags()).sorted()
                .collect(Collectors.joining("\n"));
    }
}
