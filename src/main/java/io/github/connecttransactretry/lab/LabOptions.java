package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.OutcomeMode;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * What the lab was asked to play. Immutable.
 *
 * @param scenario a name, a file, or all
 * @param outcome  by what COMMITs in doubt are found out
 * @param seed     where all chance comes from
 * @param table    where the figures are written to, or null
 */
record LabOptions(String scenario, OutcomeMode outcome, long seed, Path table) {

    static final String HELP = """
            The lab: plays scenario files, on an embedded PostgreSQL behind a real Toxiproxy.

              --scenario NAME  one of toxiproxy/scenarios, a file of your own, or all
              --outcome MODE   how commits in doubt are found out: status, ledger or status-then-ledger; default the last
              --seed N         repeats the same choices; default a new one, which is printed
              --table FILE     where to write the figures, in Markdown

            Exit code: 0 all as it must be, 1 not so or not finished, 2 it could not be begun. Without --scenario:

            """;

    /** Arguments that name nothing to play. The message names the argument and what to give instead. */
    static final class BadArguments extends Exception {

        private static final long serialVersionUID = 1L;

        BadArguments(String message) {
            super(message);
        }
    }

    LabOptions {
        Objects.requireNonNull(scenario, "scenario");
        Objects.requireNonNull(outcome, "outcome");
    }

    static LabOptions parse(List<String> args, long anySeed) throws BadArguments {
        LabOptions options = new LabOptions("", OutcomeMode.STATUS_THEN_LEDGER, anySeed, null);
        for (Iterator<String> rest = args.iterator(); rest.hasNext();) {
            String argument = rest.next();
            int equals = argument.startsWith("--") ? argument.indexOf('=') : -1;
            String name = equals < 0 ? argument : argument.substring(0, equals);
            if (!List.of("--scenario", "--outcome", "--seed", "--table").contains(name)) {
                throw new BadArguments(name + " is no option beside --scenario: --help lists them");
            }
            if (equals < 0 && !rest.hasNext()) {
                throw new BadArguments(name + " needs a value");
            }
            options = options.with(name, equals < 0 ? rest.next() : argument.substring(equals + 1));
        }
        return options;
    }

    private LabOptions with(String name, String value) throws BadArguments {
        switch (name) {
            case "--scenario":
                return new LabOptions(value, outcome, seed, table);
            case "--outcome":
                return new LabOptions(scenario, mode(value), seed, table);
            case "--table":
                return new LabOptions(scenario, outcome, seed, Path.of(value));
            default:
                try {
                    return new LabOptions(scenario, outcome, Long.parseLong(value), table);
                } catch (NumberFormatException noNumber) {
                    throw new BadArguments("--seed " + value + ": give a whole number");
                }
        }
    }

    private static OutcomeMode mode(String word) throws BadArguments {
        for (OutcomeMode mode : List.of(OutcomeMode.STATUS, OutcomeMode.LEDGER, OutcomeMode.STATUS_THEN_LEDGER)) {
            if (mode.name().toLowerCase(Locale.ROOT).replace('_', '-').equals(word)) {
                return mode;
            }
        }
        throw new BadArguments("--outcome " + word + ": give status, ledger or status-then-ledger");
    }
}
