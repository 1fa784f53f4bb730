package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.OutcomeMode;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * What the drill was asked to do. Immutable.
 *
 * @param seconds how long transfers are begun
 * @param threads how many threads make transfers
 * @param outcome by what commits in doubt are found out
 * @param seed where all chance comes from; which fault meets which moment is still up to the threads
 * @param url the given server, or null for one of the drill's own
 * @param user who the drill is on the given server; null without one
 * @param password of the user; empty if none was given, null without a given server
 */
record DrillOptions(int seconds, int threads, OutcomeMode outcome, long seed, String url, String user, String password) {

    static final String HELP = """
            The drill: money transfers through the library while their connections are cut, then an audit.

            Without --url it starts a PostgreSQL of its own and crashes it once on the way.

              --seconds N      how long transfers are begun, 1 to 3600; default 20
              --threads N      how many threads make them, 1 to 64; default 16
              --outcome MODE   how commits in doubt are found out: status, ledger or status-then-ledger; default the last.
                               By status alone, calls that are in doubt at the crash may stay unknown
              --seed N         repeats the same choices; default a new one, which is printed
              --url URL        jdbc:postgresql://host:port/database: a given server instead. It is not crashed.
                               The drill makes a schema of its own there and drops it at the end;
                               when interrupted it leaves it, under the name in its first line.
              --user NAME      who the drill is there; needs CREATE on the database
              --password TEXT  of that user; better in the environment, as PGPASSWORD
              --help           this text

            Exit code: 0 exactly once, 1 not so or not finished, 2 it could not be begun.
            """;

    private static final Set<String> KNOWN = Set.of("--seconds", "--threads", "--outcome", "--seed", "--url", "--user", "--password");

    /** Arguments that make no drill. The message names the argument and what to give instead. */
    static final class BadArguments extends Exception {

        private static final long serialVersionUID = 1L;

        BadArguments(String message) {
            super(message);
        }
    }

    /**
     * Reads the command line.
     *
     * @param args without --help
     * @param environment for PGPASSWORD
     * @param anySeed taken if none is given
     */
    static DrillOptions parse(List<String> args, Map<String, String> environment, long anySeed) throws BadArguments {
        Map<String, String> given = pairs(args);
        String url = given.get("--url");
        if (url == null) {
            for (String companion : List.of("--user", "--password")) {
                if (given.containsKey(companion)) {
                    throw new BadArguments(companion + " is for a given server only: add --url, or leave it out");
                }
            }
        } else if (!given.containsKey("--user")) {
            throw new BadArguments("--url needs --user: who shall the drill be there?");
        }
        return new DrillOptions(
                (int) number(given, "--seconds", 20, 1, 3600),
                (int) number(given, "--threads", 16, 1, 64),
                outcome(given.getOrDefault("--outcome", "status-then-ledger")),
                number(given, "--seed", anySeed, Long.MIN_VALUE, Long.MAX_VALUE),
                url, given.get("--user"),
                url == null ? null : given.getOrDefault("--password", environment.getOrDefault("PGPASSWORD", "")));
    }

    private static OutcomeMode outcome(String word) throws BadArguments {
        switch (word) {
            case "status":
                return OutcomeMode.STATUS;
            case "ledger":
                return OutcomeMode.LEDGER;
            case "status-then-ledger":
                return OutcomeMode.STATUS_THEN_LEDGER;
            default:
                throw new BadArguments("--outcome " + word + ": give status, ledger or status-then-ledger");
        }
    }

    /** Whether a crash may leave calls of which nobody can tell. */
    boolean mayStayUnknown() {
        return outcome == OutcomeMode.STATUS;
    }

    private static Map<String, String> pairs(List<String> args) throws BadArguments {
        Map<String, String> given = new HashMap<>();
        for (Iterator<String> rest = args.iterator(); rest.hasNext();) {
            String argument = rest.next();
            int equals = argument.startsWith("--") ? argument.indexOf('=') : -1;
            String name = equals < 0 ? argument : argument.substring(0, equals);
            if (!KNOWN.contains(name)) {
                // Never the whole argument: it may be a password that lost its option.
                throw new BadArguments((name.startsWith("--") ? name + " is no option" : "an argument is no option")
                        + ": --help lists them");
            }
            if (equals < 0 && !rest.hasNext()) {
                throw new BadArguments(name + " needs a value");
            }
            if (given.put(name, equals < 0 ? rest.next() : argument.substring(equals + 1)) != null) {
                throw new BadArguments(name + " is given twice");
            }
        }
        return given;
    }

    private static long number(Map<String, String> given, String name, long otherwise, long least, long most)
            throws BadArguments {
        String text = given.get(name);
        if (text == null) {
            return otherwise;
        }
        try {
            long value = Long.parseLong(text);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException noNumber) {
            // Said below.
        }
        throw new BadArguments(name + " " + text + ": give a whole number from " + least + " to " + most);
    }

    /** Without the password. */
    @Override
    public String toString() {
        return threads + " threads, " + seconds + " s, outcome by "
                + outcome.name().toLowerCase(Locale.ROOT).replace('_', ' ') + ", seed " + seed;
    }
}
