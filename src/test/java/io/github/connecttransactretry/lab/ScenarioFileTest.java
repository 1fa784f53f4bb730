package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.lab.ScenarioFile.BadScenario;
import io.github.connecttransactretry.lab.Scenario.StageKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What may stand in a scenario file, and what is said of one that is bad. */
class ScenarioFileTest {

    private static final String GOOD = """
            {
              "title": "Title", "tells": "Tells.", "stage": "synchronous-standby",
              "work": {"threads": 3, "calls": 7, "answerWithin": "250 ms", "session": {"synchronous_commit": "off"}},
              "faults": [
                {"toxic": "latency", "direction": "upstream", "attributes": {"latency": 5, "jitter": 2}, "toxicity": 0.5,
                 "at": {"point": "before-commit", "every": 4, "after": "10 ms"}, "lasts": "2 s", "repeat": {"times": 3}},
                {"server": "lagging-failover", "at": {"point": "work", "after": "1 min"}}
              ],
              "expect": {"inDoubt": 2, "someCallTakes": "1 s", "discards": true}
            }
            """;

    @Test
    void aGoodOneIsReadAsItStands() throws BadScenario {
        Scenario scenario = ScenarioFile.parse("name", "name.json", GOOD);
        assertEquals(new Scenario("name", "Title", "Tells.", StageKind.SYNCHRONOUS_STANDBY,
                new Work(3, 7, 1000, Duration.ofSeconds(30), Duration.ofMillis(250), false, Map.of("synchronous_commit", "off"),
                        false, false, ""),
                List.of(new PlannedFault(new Fault.Toxic("latency", true, Map.of("latency", 5L, "jitter", 2L), 0.5f),
                                new Moment(Moment.Point.BEFORE_COMMIT, 4, Duration.ofMillis(10)), Duration.ofSeconds(2), 3, Duration.ZERO),
                        new PlannedFault(Fault.Server.LAGGING_FAILOVER, new Moment(Moment.Point.WORK, 0, Duration.ofMinutes(1)),
                                Duration.ZERO, 1, Duration.ZERO)),
                new Expectation(2, 0, 0, 0, 0, 0, false, true, Duration.ZERO, Duration.ofSeconds(1))), scenario);
    }

    @ParameterizedTest(name = "{0} becomes {1}: {2}")
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "\"title\": \"Title\", | `` | 'title'",
        "\"threads\": 3 | \"threads\": 0 | /work/threads",
        "\"threads\": 3 | \"threads\": \"3\" | /work/threads",
        "\"calls\": 7 | \"call\": 7 | 'call'",
        "250 ms | 250 | /work/answerWithin",
        "250 ms | 0.2 s | /work/answerWithin",
        "\"off\" | \"off; DROP\" | /work/session",
        "synchronous-standby | two-standbys | /stage",
        "synchronous-standby | single | /faults/1: lagging-failover needs a stage with a standby",
        "lagging-failover | restart-pooler | /faults/1: restart-pooler needs the stage pgbouncer",
        "lagging-failover | explode | /faults/1/server",
        "\"toxic\": \"latency\" | \"toxic\": \"latincy\" | /faults/0/toxic",
        "\"jitter\" | \"jittre\" | 'jittre'",
        "\"jitter\" | \"rate\" | /faults/0: the toxic latency has no attribute rate; it has [latency, jitter]",
        "\"latency\": 5, | `` | /faults/0: the toxic latency needs the attribute latency",
        "\"latency\": 5 | \"latency\": -5 | /faults/0/attributes/latency",
        "\"direction\": \"upstream\", | `` | /faults/0: the toxic latency needs a direction",
        "\"upstream\" | \"up\" | /faults/0/direction",
        "0.5 | 1.5 | /faults/0/toxicity",
        "\"lasts\": \"2 s\", | `` | /faults/0: a toxic that lasts 0 s meets nothing",
        "\"every\": 4, | `` | /faults/0/at",
        "{\"point\": \"work\", | {\"point\": \"work\", \"every\": 2, | /faults/1/at",
        "{\"point\": \"work\", | {\"point\": \"opening\", | /faults/1: lagging-failover cannot begin at the opening",
        "\"server\": | \"toxic\": \"down\", \"server\": | /faults/1",
        "\"times\": 3 | \"times\": 0 | /faults/0/repeat/times",
        "\"inDoubt\": 2 | \"inDoubt\": -2 | /expect/inDoubt",
        "\"discards\": true} | \"discards\": true | is not JSON",
        "\"stage\": | \"title\": \"again\", \"stage\": | is not JSON",
    })
    void ofABadOneTheFileThePlaceAndTheMendAreSaid(String good, String bad, String said) {
        assertTrue(GOOD.contains(good), good);
        BadScenario refused = assertThrows(BadScenario.class, () ->
                ScenarioFile.parse("name", "folder/name.json", GOOD.replace(good, bad)));
        assertTrue(refused.getMessage().startsWith("folder/name.json "), refused::getMessage);
        assertTrue(refused.getMessage().contains(said), refused::getMessage);
    }

    @Test
    void fileAndFolderThatAreNotThereAreNamed(@TempDir Path folder) throws IOException {
        BadScenario none = assertThrows(BadScenario.class, () -> ScenarioFile.read(folder.resolve("none.json")));
        assertEquals("there is no scenario file " + folder.resolve("none.json"), none.getMessage());
        BadScenario empty = assertThrows(BadScenario.class, () -> ScenarioFile.readAll(folder));
        assertEquals("there is no scenario file (*.json) in " + folder, empty.getMessage());
        Files.writeString(folder.resolve("empty.json"), "");
        BadScenario blank = assertThrows(BadScenario.class, () -> ScenarioFile.readAll(folder));
        assertTrue(blank.getMessage().contains("empty.json"), blank::getMessage);
    }

    /** A kind of fault that no scenario has would be a kind that nobody tries. */
    @Test
    void everyKindOfFaultAndStageIsPlayed() throws BadScenario {
        List<Scenario> all = ScenarioFile.readAll(Lab.SCENARIOS);
        Set<String> faults = all.stream().flatMap(scenario -> scenario.faults().stream()).map(fault -> fault.what().toString())
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(new TreeSet<>(Set.of("latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "down",
                "restart", "crash", "kill-backend", "terminate-backend", "failover", "lagging-failover", "demotion", "restart-pooler")),
                faults);
        assertEquals(Set.of(StageKind.values()), all.stream().map(Scenario::stage).collect(Collectors.toSet()));
        assertEquals(Set.of(Moment.Point.values()), all.stream().flatMap(scenario -> scenario.faults().stream())
                .map(fault -> fault.moment().point()).collect(Collectors.toSet()));
    }
}
