package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.chaos.AuditReport;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;

/** What the rounds of a soak in one mode came to, together. For one thread at a time. */
final class SoakTotals {

    private final List<ScenarioReport> rounds = new ArrayList<>();
    private final List<WireStorm.Counts> storms = new ArrayList<>();

    private int crashesOfToxiproxy;

    /** A round had to be played again. */
    synchronized void addCrashOfToxiproxy() {
        crashesOfToxiproxy++;
    }

    synchronized void add(ScenarioReport round, WireStorm.Counts storm) {
        rounds.add(round);
        storms.add(storm);
    }

    synchronized void addAll(SoakTotals other) {
        rounds.addAll(other.rounds);
        storms.addAll(other.storms);
        crashesOfToxiproxy += other.crashesOfToxiproxy;
    }

    private long sum(ToLongFunction<ScenarioReport> count) {
        return rounds.stream().mapToLong(count).sum();
    }

    private long audited(ToLongFunction<AuditReport> count) {
        return sum(round -> count.applyAsLong(round.audit()));
    }

    private long stormed(ToLongFunction<WireStorm.Counts> count) {
        return storms.stream().mapToLong(count).sum();
    }

    private long toxics() {
        return sum(round -> SoakDraw.done(round.faults(), false));
    }

    private long serverFaults() {
        return sum(round -> SoakDraw.done(round.faults(), true));
    }

    /** Acknowledged ones alone; calls that failed or stayed unknown come on top. */
    long transactions() {
        return audited(AuditReport::acknowledged);
    }

    long faults() {
        return stormed(WireStorm.Counts::atCommit) + stormed(WireStorm.Counts::elsewhere) + toxics() + serverFaults();
    }

    long faultsAtCommit() {
        return stormed(WireStorm.Counts::atCommit);
    }

    long inDoubt() {
        return sum(ScenarioReport::inDoubt);
    }

    long committed() {
        return sum(ScenarioReport::committed);
    }

    long notCommitted() {
        return sum(ScenarioReport::notCommitted);
    }

    long failed() {
        return audited(AuditReport::failed);
    }

    long unknown() {
        return audited(audit -> audit.unknown().size());
    }

    long doubled() {
        return audited(AuditReport::doubled);
    }

    long lost() {
        return audited(AuditReport::lost);
    }

    long wrong() {
        return audited(AuditReport::wrong);
    }

    /** In absolute terms, so that what one round makes another does not hide. */
    long moneyMade() {
        return sum(round -> Math.abs(round.moneyMade()));
    }

    /** A table of three columns, in Markdown. */
    static String table(SoakTotals status, SoakTotals ledger) {
        SoakTotals both = new SoakTotals();
        both.addAll(status);
        both.addAll(ledger);
        StringBuilder table = new StringBuilder("| | by transaction ids | by the ledger | together |\n|---|---:|---:|---:|\n");
        line(table, "rounds", status, ledger, both, totals -> totals.rounds.size());
        line(table, "— played again, as Toxiproxy itself had failed", status, ledger, both, totals -> totals.crashesOfToxiproxy);
        line(table, "transactions acknowledged", status, ledger, both, SoakTotals::transactions);
        line(table, "attempts made again", status, ledger, both, totals -> totals.sum(ScenarioReport::retries));
        line(table, "faults", status, ledger, both, SoakTotals::faults);
        line(table, "— between COMMIT's first byte and its answer", status, ledger, both, SoakTotals::faultsAtCommit);
        line(table, "— elsewhere on the wire", status, ledger, both, totals -> totals.stormed(WireStorm.Counts::elsewhere));
        line(table, "— toxics of scenario files", status, ledger, both, SoakTotals::toxics);
        line(table, "— on servers and their processes", status, ledger, both, SoakTotals::serverFaults);
        line(table, "COMMITs held back that arrived late and committed", status, ledger, both,
                totals -> totals.stormed(WireStorm.Counts::lateDone));
        line(table, "COMMITs held back that arrived late in vain", status, ledger, both,
                totals -> totals.stormed(WireStorm.Counts::lateInVain));
        line(table, "COMMITs in doubt", status, ledger, both, SoakTotals::inDoubt);
        line(table, "— proved committed", status, ledger, both, SoakTotals::committed);
        line(table, "— proved not committed", status, ledger, both, SoakTotals::notCommitted);
        line(table, "calls that failed, truthfully", status, ledger, both, SoakTotals::failed);
        line(table, "**unknown**", status, ledger, both, SoakTotals::unknown);
        line(table, "**doubled**", status, ledger, both, SoakTotals::doubled);
        line(table, "**lost**", status, ledger, both, SoakTotals::lost);
        line(table, "**wrong**", status, ledger, both, SoakTotals::wrong);
        line(table, "**money made or gone**", status, ledger, both, SoakTotals::moneyMade);
        return table.toString();
    }

    private static void line(StringBuilder table, String what, SoakTotals status, SoakTotals ledger, SoakTotals both,
            ToLongFunction<SoakTotals> count) {
        table.append("| ").append(what);
        for (SoakTotals column : List.of(status, ledger, both)) {
            table.append(" | ").append(String.format(java.util.Locale.ROOT, "%,d", count.applyAsLong(column)));
        }
        table.append(" |\n");
    }
}
