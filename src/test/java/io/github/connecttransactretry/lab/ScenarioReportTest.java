package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.chaos.AuditReport;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What a report complains of: a scenario in which nothing worked, or nothing went wrong, shows nothing. */
class ScenarioReportTest {

    private static List<String> complaints(String scenario, int acknowledged, int failed, int unknown, Map<String, Integer> faults)
            throws Exception {
        List<AuditReport.UnknownCall> unknownCalls = IntStream.range(0, unknown)
                .mapToObj(call -> new AuditReport.UnknownCall("call " + call, "none", false)).toList();
        AuditReport audit = new AuditReport(acknowledged, failed, acknowledged, 0, 0, 0, unknownCalls, List.of(), List.of(),
                List.of(), List.of());
        Scenario played = ScenarioFile.read(Lab.SCENARIOS.resolve(scenario + ScenarioFile.ENDING));
        return new ScenarioReport(played, OutcomeMode.LEDGER, 1, audit, faults, 9, 9, 9, 9, 0, false, Duration.ofMinutes(1), Duration.ofMinutes(1),
                Duration.ofMinutes(2)).complaints();
    }

    @Test
    void onlyTheCallsThatSwallowMayFail() throws Exception {
        assertEquals(List.of(), complaints("error-swallowed", 8, 4, 0, Map.of()));
        assertEquals(List.of("5 calls failed, and no more than 4 should"), complaints("error-swallowed", 7, 5, 0, Map.of()));
        assertEquals(List.of("3 failed calls, at least 4 wanted: the faults did not hit"),
                complaints("error-swallowed", 9, 3, 0, Map.of()));
        assertEquals(List.of("1 calls failed, and none should"), complaints("slow-network", 15, 1, 0, Map.of()));
    }

    @Test
    void whereNoCallReturnsNothingIsShown() throws Exception {
        assertEquals(List.of(), complaints("unreplicated-commit", 1, 0, 11, Map.of()));
        assertEquals(List.of("no call returned, so nothing is shown"), complaints("unreplicated-commit", 0, 0, 12, Map.of()));
    }

    @Test
    void aFaultThatWasNeverDoneIsNamed() throws Exception {
        assertEquals(List.of("0 timeout upstream, at least 1 wanted: the faults did not hit"),
                complaints("black-hole-at-commit", 48, 0, 0, Map.of("timeout upstream", 0, "timeout downstream", 8)));
    }
}
