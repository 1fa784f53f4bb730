package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.drill.Drill;
import io.github.connecttransactretry.lab.ScenarioFile.BadScenario;
import io.github.connecttransactretry.lab.Toxiproxy.NoToxiproxy;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The main job: with {@code --scenario} it plays scenario files on embedded PostgreSQL behind a real Toxiproxy, else it is the
 * {@link Drill}, which needs neither.
 */
public final class Lab {

    /** Where the scenario files are, from the project's folder. */
    static final Path SCENARIOS = Path.of("toxiproxy", "scenarios");

    private static final int COULD_NOT_RUN = 2;

    private final PrintStream out;
    private final PrintStream err;
    private final Map<String, String> environment;
    private final ScenarioTable table = new ScenarioTable();

    Lab(PrintStream out, PrintStream err, Map<String, String> environment) {
        this.out = out;
        this.err = err;
        this.environment = environment;
    }

    /**
     * Plays what {@code --scenario} names; without it, runs the drill. {@code --help} lists the arguments. Ends the JVM with exit
     * code 1 if a scenario did not come to what it must, with 2 if it could not be played.
     *
     * @param args the arguments
     */
    public static void main(String[] args) {
        boolean drill = Stream.of(args).noneMatch(arg -> arg.startsWith("--scenario") || arg.equals("--help"));
        if (drill) {
            Drill.main(args);
            return;
        }
        int code = new Lab(System.out, System.err, System.getenv()).run(List.of(args));
        System.out.flush();
        if (code != 0) {
            System.exit(code);
        }
    }

    int run(List<String> args) {
        if (args.contains("--help")) {
            out.print(LabOptions.HELP);
            Drill.main(new String[] {"--help"});
            return 0;
        }
        try {
            LabOptions options = LabOptions.parse(args, new SecureRandom().nextInt(1_000_000));
            return play(options, scenarios(options.scenario()));
        } catch (LabOptions.BadArguments | BadScenario | NoToxiproxy cannot) {
            err.println("lab: " + cannot.getMessage());
            return COULD_NOT_RUN;
        } catch (SQLException | IOException | RuntimeException failed) {
            failed.printStackTrace(err);
            out.println("verdict: not-finished");
            return 1;
        }
    }

    private static List<Scenario> scenarios(String named) throws BadScenario {
        if (named.equals("all")) {
            return ScenarioFile.readAll(SCENARIOS);
        }
        Path known = SCENARIOS.resolve(named + ScenarioFile.ENDING);
        return List.of(ScenarioFile.read(Files.exists(known) ? known : Path.of(named)));
    }

    private int play(LabOptions options, List<Scenario> scenarios)
            throws NoToxiproxy, SQLException, IOException {
        int bad = 0;
        int notPlayed = 0;
        try (Toxiproxy toxiproxy = Toxiproxy.obtain(environment, out)) {
            for (Scenario scenario : scenarios) {
                Optional<String> obstacle = EmbeddedStage.obstacle(scenario.stage());
                if (obstacle.isPresent()) {
                    out.println("lab: NOT PLAYED: " + scenario.name() + ": " + obstacle.get());
                    notPlayed++;
                    continue;
                }
                bad += play(options, scenario, toxiproxy) ? 0 : 1;
            }
        }
        if (options.table() != null) {
            table.write(options.table());
        }
        out.println("verdict: " + (bad == 0 ? "as it must be in all of " + scenarios.size() + " scenarios"
                : "NOT as it must be in " + bad + " of " + scenarios.size() + " scenarios"));
        if (notPlayed > 0) {
            out.println("not played: " + notPlayed);
        }
        return bad > 0 ? 1 : notPlayed > 0 ? COULD_NOT_RUN : 0;
    }

    private boolean play(LabOptions options, Scenario scenario, Toxiproxy toxiproxy)
            throws SQLException, IOException {
        out.println("lab: " + scenario.title() + ". " + scenario.tells());
        try (EmbeddedStage stage = EmbeddedStage.open(scenario.stage(), toxiproxy)) {
            out.println("     on " + stage.description() + ", seed " + options.seed());
            ScenarioReport report = new ScenarioRun(scenario, stage, options.outcome(), options.seed(), ScenarioRun.Setting.NONE).play();
            out.println("     " + report);
            table.add(report);
            report.complaints().forEach(complaint -> out.println("     COMPLAINT: " + complaint));
            return report.complaints().isEmpty();
        }
    }
}
