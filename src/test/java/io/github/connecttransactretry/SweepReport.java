package io.github.connecttransactretry;

import io.github.connecttransactretry.ByteSweep.Scope;
import io.github.connecttransactretry.ByteSweep.Swept;
import io.github.connecttransactretry.SweepTrial.Told;
import io.github.connecttransactretry.fixtures.ByteRelay.Chunk;
import io.github.connecttransactretry.fixtures.ByteRelay.Direction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What sweeps came to: as a table in Markdown, and as a picture in which each byte has the colour of what became of the call. */
final class SweepReport {

    private static final int LEFT = 250;
    private static final int WIDTH = 700;
    private static final int ROW = 20;
    /** What a statement, and so the flight that holds it, begins with. */
    private static final Pattern STATEMENT = Pattern.compile("BEGIN|INSERT INTO \"?\\w+|UPDATE|SELECT|COMMIT");

    private SweepReport() {
    }

    static String table(List<Swept> all) {
        StringBuilder table = new StringBuilder("| mode | direction | cut | offsets tried | went again before COMMIT | in doubt |"
                + " found committed | found not committed | unknown | doubled, lost, wrong |\n"
                + "|---|---|---|---:|---:|---:|---:|---:|---:|---:|\n");
        int[] sums = new int[7];
        for (Swept swept : all) {
            int[] counts = {swept.trials().size(), (int) swept.told(Told.WENT_AGAIN), (int) swept.inDoubt(),
                    (int) swept.told(Told.FOUND_COMMITTED), (int) swept.told(Told.FOUND_NOT_COMMITTED),
                    swept.audit().unknown().size(), swept.audit().doubled() + swept.audit().lost() + swept.audit().wrong()};
            row(table, mode(swept), swept.way().directionInWords(), swept.way().words(), counts);
            for (int i = 0; i < sums.length; i++) {
                sums[i] += counts[i];
            }
        }
        row(table, "**sum**", "", "", sums);
        return table.toString();
    }

    private static void row(StringBuilder table, String mode, String direction, String cut, int... counts) {
        table.append("| ").append(mode).append(" | ").append(direction).append(" | ").append(cut).append(" |");
        for (int count : counts) {
            table.append(' ').append(count).append(" |");
        }
        table.append('\n');
    }

    private static String mode(Swept swept) {
        String mode = swept.setting().mode() == OutcomeMode.LEDGER ? "ledger" : "transaction id";
        return swept.scope() == Scope.START_UP ? "start-up" : mode;
    }

    static String picture(List<Swept> all) {
        StringBuilder rows = new StringBuilder();
        int y = 60;
        String group = "";
        for (Swept swept : all.stream().filter(swept -> swept.scope() == Scope.TRANSACTION).toList()) {
            String its = mode(swept) + ", " + swept.way().directionInWords();
            if (!its.equals(group)) {
                y += group.isEmpty() ? 0 : 34;
                heading(rows, y, its, swept);
                group = its;
                y += 46;
            }
            bar(rows, y, swept);
            y += ROW;
        }
        return """
                <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 %d" font-family="Helvetica, Arial, sans-serif"
                font-size="12">
                <title>What became of the call, for each byte after which its conversation was cut</title>
                <rect width="980" height="%d" fill="#fff"/>
                %s%s</svg>
                """.formatted(y + 20, y + 20, legend(), rows);
    }

    private static String legend() {
        StringBuilder legend = new StringBuilder();
        int x = 10;
        for (Told told : List.of(Told.WENT_AGAIN, Told.FOUND_NOT_COMMITTED, Told.FOUND_COMMITTED, Told.ACKNOWLEDGED)) {
            legend.append("<rect x=\"%d\" y=\"12\" width=\"14\" height=\"14\" fill=\"%s\"/><text x=\"%d\" y=\"23\">%s</text>\n"
                    .formatted(x, colour(told), x + 19, words(told)));
            x += 40 + words(told).length() * 6;
        }
        return legend.toString();
    }

    private static void heading(StringBuilder rows, int y, String text, Swept swept) {
        rows.append("<text x=\"10\" y=\"%d\" font-weight=\"bold\">%s</text>\n".formatted(y, text));
        double scale = scale(swept);
        for (Flight flight : flights(swept)) {
            double x = LEFT + flight.from() * scale;
            rows.append("<path d=\"M%.1f %d V%d\" stroke=\"#555\"/>".formatted(x, y + 10, y + 42));
            rows.append("<text x=\"%.1f\" y=\"%d\" font-size=\"10\">%s</text>\n".formatted(x + 3, y + (flight.odd() ? 19 : 33),
                    flight.text()));
        }
    }

    private static double scale(Swept swept) {
        return WIDTH / (double) swept.whole().offset();
    }

    /** One rectangle for each run of equal answers. */
    private static void bar(StringBuilder rows, int y, Swept swept) {
        rows.append("<text x=\"20\" y=\"%d\">%s</text>\n".formatted(y + 13, swept.way().words()));
        List<SweepTrial> trials = swept.trials().stream().sorted(Comparator.comparingInt(SweepTrial::offset)).toList();
        double scale = scale(swept);
        for (int from = 0, to = 0; from < trials.size(); from = to) {
            Told told = trials.get(from).told();
            while (to < trials.size() && trials.get(to).told() == told) {
                to++;
            }
            rows.append("<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>".formatted(LEFT + from * scale, y,
                    (to - from) * scale, ROW - 4, colour(told)));
        }
        rows.append('\n');
    }

    private static String colour(Told told) {
        return switch (told) {
            case WENT_AGAIN -> "#c9ced6";
            case FOUND_NOT_COMMITTED -> "#e39b3b";
            case FOUND_COMMITTED -> "#3f9c5f";
            case ACKNOWLEDGED -> "#3d78b8";
            case UNKNOWN, FAILED -> "#c02020";
        };
    }

    private static String words(Told told) {
        return switch (told) {
            case WENT_AGAIN -> "failed before COMMIT, went again";
            case FOUND_NOT_COMMITTED -> "in doubt, found not committed, went again";
            case FOUND_COMMITTED -> "in doubt, found committed";
            case ACKNOWLEDGED -> "acknowledged by the server";
            case UNKNOWN -> "in doubt, unknown";
            case FAILED -> "failed";
        };
    }

    /** What one side sends before it waits, or for the server the answer to that. */
    private record Flight(int from, String text, boolean odd) {
    }

    private static List<Flight> flights(Swept swept) {
        List<Flight> flights = new ArrayList<>();
        int passed = 0;
        Direction last = Direction.SERVER_TO_CLIENT;
        String said = "";
        for (Chunk chunk : swept.whole().plan().read()) {
            if (chunk.direction() == Direction.CLIENT_TO_SERVER) {
                said = statements(chunk);
            }
            if (chunk.direction() == swept.way().direction()) {
                if (last != chunk.direction() || flights.isEmpty()) {
                    String prefix = chunk.direction() == Direction.SERVER_TO_CLIENT ? "answer: " : "";
                    flights.add(new Flight(passed, prefix + said, flights.size() % 2 == 1));
                }
                passed += chunk.bytes().length;
            }
            last = chunk.direction();
        }
        return flights;
    }

    private static String statements(Chunk chunk) {
        Matcher matcher = STATEMENT.matcher(new String(chunk.bytes(), StandardCharsets.ISO_8859_1));
        List<String> found = new ArrayList<>();
        while (matcher.find()) {
            found.add(matcher.group().replaceAll("effect_\\d+", "effect").replaceAll("\"?connect_transact_retry", "ledger"));
        }
        return found.isEmpty() ? "end" : String.join("; ", found);
    }
}
