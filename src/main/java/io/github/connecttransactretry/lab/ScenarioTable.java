package io.github.connecttransactretry.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** The figures of a run as a table for the docs. For one thread. */
final class ScenarioTable {

    private final List<ScenarioReport> reports = new ArrayList<>();

    void add(ScenarioReport report) {
        reports.add(report);
    }

    /** Writes it in Markdown, a row for each scenario. */
    void write(Path file) throws IOException {
        if (file.getParent() != null) {
            Files.createDirectories(file.getParent());
        }
        String rows = reports.stream().map(ScenarioTable::row).collect(Collectors.joining());
        Files.writeString(file, "| scenario, by outcome mode | faults done | calls | retries | in doubt | proved committed | proved not"
                + " | unknown | doubled, lost, wrong | seconds |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n" + rows);
    }

    private static String row(ScenarioReport report) {
        String faults = report.faults().entrySet().stream().map(fault -> fault.getValue() + " " + fault.getKey())
                .collect(Collectors.joining(", "));
        var audit = report.audit();
        int calls = audit.acknowledged() + audit.failed() + audit.unknown().size();
        String discarded = report.scenario().expect().discards() ? " discarded" : "";
        return String.format(Locale.ROOT, "| %s, %s | %s | %d | %d | %d | %d | %d | %d | %d, %d%s, %d | %.1f |%n",
                report.scenario().name(), report.mode().name().toLowerCase(Locale.ROOT).replace('_', ' '), faults, calls,
                report.retries(), report.inDoubt(), report.committed(), report.notCommitted(), audit.unknown().size(),
                audit.doubled(), audit.lost(), discarded, audit.wrong(), report.took().toMillis() / 1000.0);
    }
}
