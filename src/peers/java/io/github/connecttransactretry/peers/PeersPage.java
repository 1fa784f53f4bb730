package io.github.connecttransactretry.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The figures as a piece of Markdown, and the page that they belong into. */
final class PeersPage {

    private static final String BEGIN = "<!-- figures of -Ppeers: begin -->\n";
    private static final String END = "<!-- figures of -Ppeers: end -->";

    private final StringBuilder text = new StringBuilder();

    PeersPage(FaultPlan plan, long seed, String server, List<PeerResult> results) {
        text.append("Seed ").append(seed).append(", ").append(plan.calls()).append(" calls per peer from ").append(Bench.THREADS)
                .append(" threads, ").append(Bench.ACCOUNTS).append(" accounts; PostgreSQL ").append(server).append(", pgjdbc ")
                .append(System.getProperty("peers.postgresql.version")).append(", HikariCP ")
                .append(System.getProperty("peers.hikaricp.version")).append(", JDK ").append(Runtime.version().feature())
                .append(", ").append(Runtime.getRuntime().availableProcessors()).append(" processors.\n\n").append(PeerResult.HEAD);
        results.forEach(result -> text.append(result.row()));
        text.append("\nThe faults planned, each for another call and the same for every peer:\n\n| Fault | Calls |\n|---|--:|\n");
        for (Fault fault : Fault.values()) {
            if (fault != Fault.NONE) {
                text.append("| ").append(fault.name().toLowerCase(Locale.ROOT).replace('_', ' ')).append(" | ")
                        .append(plan.count(fault)).append(" |\n");
            }
        }
        text.append("\n| Peer | Version | Retries on | How often |\n|---|---|---|---|\n");
        results.stream().map(PeerResult::entry).forEach(entry -> text.append("| ").append(entry.name()).append(" | ")
                .append(entry.version()).append(" | ").append(entry.retries()).append(" | ").append(entry.pace()).append(" |\n"));
    }

    /** Writes the figures alone. */
    void write(Path file) throws IOException {
        Files.writeString(file, text);
    }

    /** Puts the figures in the place of the former ones. */
    void replaceIn(Path page) throws IOException {
        String old = Files.readString(page);
        int begin = old.indexOf(BEGIN);
        int end = old.indexOf(END);
        if (begin < 0 || end < begin) {
            throw new IllegalStateException(page + " lacks the lines " + BEGIN + END);
        }
        Files.writeString(page, old.substring(0, begin + BEGIN.length()) + "\n" + text + "\n" + old.substring(end));
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
