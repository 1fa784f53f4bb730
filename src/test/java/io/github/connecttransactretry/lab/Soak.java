package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.lab.Scenario.StageKind;
import io.github.connecttransactretry.lab.ScenarioFile.BadScenario;
import java.io.IOException;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * Rounds of drawn scenarios under a {@link WireStorm}, in one mode. Everything that is drawn comes from the seed; which fault
 * meets which moment is still up to the threads. A round can be repeated alone. For one thread. Close it.
 */
final class Soak implements AutoCloseable {

    /** Enough for some of all faults, and few enough to be repeated in a moment. */
    static final int CALLS = 300;

    private static final int TRIES = 5;

    private final SoakDraw files;
    private final OutcomeMode mode;
    private final long seed;
    private final ScenarioRun.Setting setting;
    private final SoakTotals totals = new SoakTotals();
    private final List<String> complaints = new ArrayList<>();
    private Road road;
    /** For one round after another: none of them leaves a trace on a single server. */
    private Stage single;

    Soak(OutcomeMode mode, long seed, int leastCalls, ScenarioRun.Setting setting) throws BadScenario, SQLException {
        this.road = Road.take();
        this.files = new SoakDraw(ScenarioFile.readAll(Lab.SCENARIOS), kind -> road.obstacle(kind).isEmpty(), leastCalls);
        this.mode = mode;
        this.seed = seed;
        this.setting = setting;
        this.single = road.open(StageKind.SINGLE);
    }

    SoakTotals totals() {
        return totals;
    }

    /** What was not as it must be, with the round and how to repeat it; empty if all was. */
    List<String> complaints() {
        return complaints;
    }

    /** What is drawn from, for the reader. */
    @Override
    public String toString() {
        return files + " on " + road;
    }

    /** Plays the round of that number. */
    void play(int round) throws SQLException, IOException {
        for (int attempt = 1; !isPlayed(round, attempt == TRIES); attempt++) {
            System.out.println("soak: round " + round + " is played again: Toxiproxy itself has crashed or hangs");
            totals.addCrashOfToxiproxy();
            close();
            road = Road.take();
            single = road.open(StageKind.SINGLE);
        }
    }

    /** False if it could not be, for want of a Toxiproxy. */
    private boolean isPlayed(int round, boolean last) throws SQLException, IOException {
        SplittableRandom chance = new SplittableRandom(seed + 1_000_003L * round).split();
        Scenario scenario = files.draw(chance);
        String which = "round " + round + " (" + mode.name().toLowerCase(Locale.ROOT) + ", -Dsoak.seed=" + seed + " -Dsoak.round=" + round
                + "): " + scenario.name();
        try {
            if (scenario.stage() == StageKind.SINGLE) {
                play(which, scenario, single, chance);
            } else {
                try (Stage own = road.open(scenario.stage())) {
                    play(which, scenario, own, chance);
                }
            }
            return true;
        } catch (SQLException | IOException | RuntimeException stuck) {
            if (last || !isOfToxiproxy(stuck)) {
                throw new IllegalStateException("soak: " + which, stuck);
            }
            return false;
        }
    }

    /** Whether Toxiproxy has crashed, or no longer answers as it should: then the round says nothing about the engine. */
    private boolean isOfToxiproxy(Throwable stuck) {
        boolean answeredBadly = false;
        for (Throwable cause = stuck; cause != null; cause = cause.getCause()) {
            if (cause instanceof SQLException) {
                return !road.isAlive();
            }
            answeredBadly |= cause instanceof IOException || cause.getClass().getName().startsWith("com.google.gson.");
        }
        return answeredBadly || !road.isAlive();
    }

    private void play(String which, Scenario scenario, Stage stage, SplittableRandom chance) throws SQLException, IOException {
        try (WiredStage wired = WiredStage.before(stage, chance.split())) {
            wired.storm().begin();
            ScenarioReport report = new ScenarioRun(scenario, wired, mode, chance.nextLong(), setting).play();
            WireStorm.Counts storm = wired.storm().counts();
            totals.add(report, storm);
            System.out.println("soak: " + which + ": " + told(report, storm));
            if (!report.isExactlyOnce() || mode == OutcomeMode.LEDGER && !report.audit().unknown().isEmpty()) {
                complaints.add(which + ": " + report);
            }
        }
    }

    private static String told(ScenarioReport report, WireStorm.Counts storm) {
        return (report.isExactlyOnce() ? "exactly-once" : "NOT EXACTLY ONCE") + " in " + report.took().toMillis() / 100 / 10.0 + " s: "
                + report.audit().acknowledged() + " acknowledged, " + report.audit().failed() + " failed, "
                + report.audit().unknown().size() + " unknown; faults at COMMIT " + storm.atCommit() + ", elsewhere on the wire "
                + storm.elsewhere() + ", " + report.faults() + "; in doubt " + report.inDoubt() + " (" + report.committed() + " committed, "
                + report.notCommitted() + " not)";
    }

    @Override
    public void close() {
        try {
            single.close();
        } catch (RuntimeException failed) {
            if (!isOfToxiproxy(failed)) {
                throw failed;
            }
            // Its proxy goes with it; the servers have been closed.
        } finally {
            road.close();
        }
    }
}
