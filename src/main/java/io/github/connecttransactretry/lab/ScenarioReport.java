package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.chaos.AuditReport;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * What came of a scenario. Immutable.
 *
 * @param scenario     that was played
 * @param mode         how COMMITs in doubt were found out
 * @param seed         where all chance came from
 * @param audit        effects against answers
 * @param faults       how often each fault was done
 * @param retries      attempts made again
 * @param inDoubt      COMMITs whose outcome was asked for
 * @param committed    of these
 * @param notCommitted of these
 * @param moneyMade    money that came from nowhere; negative if it went there
 * @param endedByForce whether backends of the clients were still there at the end, and had to be terminated
 * @param shortest     of the calls that returned; zero if none did
 * @param longest      of the calls that returned; zero if none did
 * @param took         from the first call to the last
 */
public record ScenarioReport(Scenario scenario, OutcomeMode mode, long seed, AuditReport audit, Map<String, Integer> faults,
        int retries, int inDoubt, int committed, int notCommitted, long moneyMade, boolean endedByForce, Duration shortest,
        Duration longest, Duration took) {

    /** Checks for null and copies the map. */
    public ScenarioReport {
        Objects.requireNonNull(scenario, "scenario");
        Objects.requireNonNull(mode, "mode");
        Objects.requireNonNull(audit, "audit");
        Objects.requireNonNull(shortest, "shortest");
        Objects.requireNonNull(longest, "longest");
        Objects.requireNonNull(took, "took");
        faults = java.util.Collections.unmodifiableMap(new java.util.LinkedHashMap<>(faults));
    }

    /** Whether effects and answers agree: nothing doubled, lost (but by a promotion that may) or wrong, and no money made. */
    public boolean isExactlyOnce() {
        return audit.doubled() == 0 && audit.wrong() == 0 && moneyMade == 0 && (audit.lost() == 0 || scenario.expect().discards());
    }

    /** What is not as it must be, one line each; empty if all is. */
    public List<String> complaints() {
        List<String> complaints = new ArrayList<>();
        if (!isExactlyOnce()) {
            complaints.add("not exactly once, " + moneyMade + " of money made");
        }
        Expectation expect = scenario.expect();
        atLeast(complaints, "COMMITs in doubt", inDoubt, expect.inDoubt());
        atLeast(complaints, "COMMITs in doubt that proved committed", committed, expect.committed());
        atLeast(complaints, "COMMITs in doubt that proved not committed", notCommitted, expect.notCommitted());
        atLeast(complaints, "retries", retries, expect.retries());
        atLeast(complaints, "failed calls", audit.failed(), expect.failed());
        int unknown = audit.unknown().size();
        int mayFail = expect.failed() == 0 ? 0 : scenario.work().mostFailing(audit.acknowledged() + audit.failed() + unknown);
        if (audit.failed() > mayFail) {
            complaints.add(audit.failed() + " calls failed, and " + (mayFail == 0 ? "none" : "no more than " + mayFail) + " should");
        }
        if (audit.acknowledged() == 0) {
            complaints.add("no call returned, so nothing is shown");
        }
        boolean mayBeUnknown = expect.unknown() > 0 || mode == OutcomeMode.STATUS && expect.unknownByStatusAlone();
        if (unknown > 0 && !mayBeUnknown) {
            complaints.add(unknown + " calls stayed unknown, and none should");
        }
        atLeast(complaints, "unknown calls", unknown, expect.unknown());
        faults.forEach((fault, times) -> atLeast(complaints, fault, times, 1));
        if (endedByForce) {
            complaints.add("backends of the clients were still there after all calls had ended, and had to be terminated");
        }
        if (shortest.compareTo(expect.everyCallTakes()) < 0) {
            complaints.add("a call took " + shortest.toMillis() + " ms, and none can be faster than " + expect.everyCallTakes().toMillis()
                    + " ms: the faults did not hit");
        }
        if (longest.compareTo(expect.someCallTakes()) < 0) {
            complaints.add("no call took longer than " + longest.toMillis() + " ms, and one should take "
                    + expect.someCallTakes().toMillis() + " ms: the faults did not hit");
        }
        return complaints;
    }

    private static void atLeast(List<String> complaints, String what, int there, int wanted) {
        if (there < wanted) {
            complaints.add(there + " " + what + ", at least " + wanted + " wanted: the faults did not hit");
        }
    }

    /** One line. */
    @Override
    public String toString() {
        String discarded = scenario.expect().discards() ? ", discarded by the promotion " + audit.lost() : "";
        return scenario.name() + " (" + mode.name().toLowerCase(Locale.ROOT).replace('_', ' ') + "): "
                + (isExactlyOnce() ? "exactly-once" : "NOT EXACTLY ONCE") + " in " + took.toMillis() / 100 / 10.0 + " s: faults " + faults
                + ", retries " + retries + ", in doubt " + inDoubt + " (" + committed + " committed, " + notCommitted + " not)"
                + discarded + "; " + audit;
    }
}
