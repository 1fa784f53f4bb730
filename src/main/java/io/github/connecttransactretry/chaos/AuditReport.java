package io.github.connecttransactretry.chaos;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What an {@link Audit} found. The counts are of calls. Immutable.
 *
 * @param acknowledged calls that returned a value
 * @param failed calls that threw, saying that nothing was committed
 * @param committed calls with at least one row
 * @param doubled calls with more than one row, or with more effects of their own than committed attempts
 * @param lost calls that returned a value and have no row, or that have fewer effects of their own than committed attempts
 * @param wrong calls that threw and have a row, that returned a value which another attempt than a committed one computed, or
 *     that have a row and never had an answer, or effects of their own without a row
 * @param unknown all calls that said that their outcome is unknown, by name
 * @param doubledCalls at most {@value #LISTED} of the doubled, each with its attempts
 * @param lostCalls at most {@value #LISTED} of the lost
 * @param wrongCalls at most {@value #LISTED} of the wrong, each with what is wrong
 * @param failedCalls at most {@value #LISTED} of the failed, each with what it threw
 */
public record AuditReport(int acknowledged, int failed, int committed, int doubled, int lost, int wrong,
        List<UnknownCall> unknown, List<String> doubledCalls, List<String> lostCalls, List<String> wrongCalls,
        List<String> failedCalls) {

    /** How many offenders of a kind are listed; all are counted. */
    public static final int LISTED = 20;

    /** Copies the lists. */
    public AuditReport {
        unknown = List.copyOf(unknown);
        doubledCalls = List.copyOf(doubledCalls);
        lostCalls = List.copyOf(lostCalls);
        wrongCalls = List.copyOf(wrongCalls);
        failedCalls = List.copyOf(failedCalls);
    }

    /**
     * A call whose caller was told that its outcome is unknown.
     *
     * @param call its name
     * @param evidence what could still be asked
     * @param committed what was true in the end
     */
    public record UnknownCall(String call, String evidence, boolean committed) {

        /** One line for a reader. */
        @Override
        public String toString() {
            return call + " (in truth " + (committed ? "committed" : "not committed") + "): " + evidence;
        }
    }

    /**
     * Whether no call was doubled, lost or wrong. Unknown ones are the caller's matter: truthful, and to be bounded.
     *
     * @return whether it is so
     */
    public boolean isExactlyOnce() {
        return doubled == 0 && lost == 0 && wrong == 0;
    }

    /**
     * The audit as an assertion: no call was doubled, lost or wrong, and at least one returned, since nothing is shown otherwise.
     *
     * @return this report
     * @throws AssertionError naming the offenders
     */
    public AuditReport requireExactlyOnce() {
        return require(isExactlyOnce(), "not exactly once");
    }

    /**
     * As {@link #requireExactlyOnce()}, and no call said that its outcome is unknown either.
     *
     * @return this report
     * @throws AssertionError naming the offenders
     */
    public AuditReport requireExactlyOnceAndKnown() {
        return requireExactlyOnce().require(unknown.isEmpty(), "exactly once, but outcomes are unknown");
    }

    private AuditReport require(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise + ": " + this);
        }
        if (acknowledged == 0) {
            throw new AssertionError("no call returned, so nothing is shown: " + this);
        }
        return this;
    }

    /**
     * The report with the calls' own effects compared as well: as many as attempts of the call are committed.
     *
     * @param attempts for each call that has one, how many are committed
     * @param own      for each call that has one, how many effects are there
     */
    AuditReport withOwnEffects(Map<String, Integer> attempts, Map<String, Integer> own) {
        List<String> more = new ArrayList<>();
        List<String> fewer = new ArrayList<>();
        List<String> strangers = new ArrayList<>();
        own.forEach((call, effects) -> {
            int committed = attempts.getOrDefault(call, 0);
            String there = call + " has " + effects + " effects of its own and " + committed + " committed attempts";
            if (committed == 0) {
                strangers.add(there);
            } else if (effects > committed) {
                more.add(there);
            }
        });
        attempts.forEach((call, committed) -> {
            int effects = own.getOrDefault(call, 0);
            if (effects < committed) {
                fewer.add(call + " has " + committed + " committed attempts and " + effects + " effects of its own");
            }
        });
        return new AuditReport(acknowledged, failed, committed, doubled + more.size(), lost + fewer.size(),
                wrong + strangers.size(), unknown, joined(doubledCalls, more), joined(lostCalls, fewer),
                joined(wrongCalls, strangers), failedCalls);
    }

    private static List<String> joined(List<String> listed, List<String> more) {
        return listed(Stream.concat(listed.stream(), more.stream()).toList());
    }

    /** One line with the counts, and the offenders listed. */
    @Override
    public String toString() {
        return "acknowledged=" + acknowledged + " failed=" + failed + (failed == 0 ? "" : failedCalls) + " committed=" + committed + " doubled=" + doubled
                + doubledCalls + " lost=" + lost + lostCalls + " wrong=" + wrong + wrongCalls
                + " unknown=" + unknown.size() + unknown;
    }

    static AuditReport compare(Map<String, int[]> effects, Map<String, Audit.Answer> answers) {
        List<String> doubled = new ArrayList<>();
        List<String> lost = new ArrayList<>();
        List<String> wrong = new ArrayList<>();
        List<String> failed = new ArrayList<>();
        List<UnknownCall> unknown = new ArrayList<>();
        effects.forEach((call, attempts) -> {
            if (attempts.length > 1) {
                doubled.add(call + " in attempts " + Arrays.toString(attempts));
            }
            if (!answers.containsKey(call)) {
                wrong.add(call + " has a row of attempt " + Arrays.toString(attempts) + " and never had an answer");
            }
        });
        answers.forEach((call, answer) -> {
            int[] attempts = effects.getOrDefault(call, new int[0]);
            boolean there = attempts.length > 0;
            switch (answer.told()) {
                case UNKNOWN -> unknown.add(new UnknownCall(call, answer.text(), there));
                case FAILED -> {
                    failed.add(call + ": " + answer.text());
                    if (there) {
                        wrong.add(call + " was reported failed (" + answer.text() + ") and attempt " + Arrays.toString(attempts)
                                + " is there");
                    }
                }
                case ACKNOWLEDGED -> {
                    if (!there) {
                        lost.add(call + " returned the value of attempt " + answer.attempt() + " and has no row");
                    } else if (Arrays.binarySearch(attempts, answer.attempt()) < 0) {
                        wrong.add(call + " returned the value of attempt " + answer.attempt() + " and attempt "
                                + Arrays.toString(attempts) + " is there");
                    }
                }
            }
        });
        return new AuditReport(count(answers, Audit.Told.ACKNOWLEDGED), count(answers, Audit.Told.FAILED), effects.size(),
                doubled.size(), lost.size(), wrong.size(), unknown, listed(doubled), listed(lost), listed(wrong),
                listed(failed));
    }

    private static int count(Map<String, Audit.Answer> answers, Audit.Told told) {
        return (int) answers.values().stream().filter(answer -> answer.told() == told).count();
    }

    private static List<String> listed(List<String> offenders) {
        return offenders.subList(0, Math.min(LISTED, offenders.size()));
    }
}
