package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;

import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.lab.ScenarioFile.BadScenario;
import io.github.connecttransactretry.lab.Scenario.StageKind;
import java.io.IOException;
import java.sql.SQLException;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every scenario file, by transaction ids and by the ledger: exactly once, and what else the file says. */
@Tag("matrix")
class ScenarioTest {

    private static final long SEED = Long.getLong("lab.seed", new SplittableRandom().nextInt(1_000_000));

    private static Road road;
    /** For one scenario after another: none of them leaves a trace on a single server. */
    private static Stage single;

    @BeforeAll
    static void takeRoad() throws SQLException {
        road = Road.take();
        System.out.println("lab: seed " + SEED + " (-Dlab.seed)");
        single = road.open(StageKind.SINGLE);
    }

    @AfterAll
    static void close() {
        if (single != null) {
            single.close();
        }
        if (road != null) {
            road.close();
        }
    }

    static Stream<Arguments> scenarios() throws BadScenario {
        return ScenarioFile.readAll(Lab.SCENARIOS).stream().flatMap(scenario ->
                Stream.of(OutcomeMode.STATUS, OutcomeMode.LEDGER).map(mode -> Arguments.of(scenario.name(), scenario, mode)));
    }

    @ParameterizedTest(name = "{0} {2}")
    @MethodSource("scenarios")
    void comesToWhatItMust(String name, Scenario scenario, OutcomeMode mode) throws SQLException, IOException {
        road.obstacle(scenario.stage()).ifPresent(obstacle -> abort(obstacle));
        ScenarioReport report;
        if (scenario.stage() == StageKind.SINGLE) {
            report = new ScenarioRun(scenario, single, mode, SEED, ScenarioRun.Setting.NONE).play();
        } else {
            try (Stage stage = road.open(scenario.stage())) {
                report = new ScenarioRun(scenario, stage, mode, SEED, ScenarioRun.Setting.NONE).play();
            }
        }
        System.out.println(report);
        assertEquals(List.of(), report.complaints(), () -> name + ", seed " + SEED + ": " + report);
    }
}
