package io.github.connecttransactretry.drill;

import java.io.PrintStream;
import java.security.SecureRandom;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;

/**
 * The drill: money transfers from several threads through the library while their connections are cut at random points, the
 * COMMIT included, and the server is crashed; then the {@link io.github.connecttransactretry.chaos.Audit}. Its last line is the verdict.
 */
public final class Drill {

    /** The exit code when the drill could not be run. */
    private static final int COULD_NOT_RUN = 2;

    private final PrintStream out;
    private final PrintStream err;
    private final Map<String, String> environment;
    private final DrillRun.Tampering tampering;

    Drill(PrintStream out, PrintStream err, Map<String, String> environment, DrillRun.Tampering tampering) {
        this.out = out;
        this.err = err;
        this.environment = environment;
        this.tampering = tampering;
    }

    /**
     * Runs the drill; {@code --help} lists the arguments. Returns after the verdict {@code exactly-once}; else ends the JVM
     * with exit code 1, or with 2 if the drill could not be run.
     *
     * @param args the arguments
     */
    public static void main(String[] args) {
        int code = new Drill(System.out, System.err, System.getenv(), (connection, audit) -> { }).run(args);
        System.out.flush();
        if (code != 0) {
            System.exit(code);
        }
    }

    int run(String... args) {
        if (List.of(args).contains("--help")) {
            out.print(DrillOptions.HELP);
            return 0;
        }
        DrillOptions options;
        DrillServer server;
        try {
            options = DrillOptions.parse(List.of(args), environment, new SecureRandom().nextInt(1_000_000));
            server = options.url() == null ? EmbeddedDrillServer.launch() : GivenDrillServer.reach(options);
        } catch (DrillOptions.BadArguments bad) {
            err.println("drill: " + bad.getMessage());
            return COULD_NOT_RUN;
        } catch (SQLException | RuntimeException unreachable) {
            err.println("drill: there is no server to run on: " + unreachable.getMessage());
            return COULD_NOT_RUN;
        }
        return run(options, server);
    }

    private int run(DrillOptions options, DrillServer server) {
        Verdict verdict;
        try (server) {
            out.println("drill: " + server.description() + "; " + options);
            verdict = new DrillRun(options, server, out).run(tampering);
        } catch (SQLException | RuntimeException failed) {
            failed.printStackTrace(err);
            out.println("verdict: not-finished");
            return 1;
        }
        out.println(verdict.line());
        return verdict.exitCode();
    }
}
