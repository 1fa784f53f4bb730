package io.github.connecttransactretry.lab;

import java.util.List;
import java.util.Objects;

/**
 * What a scenario file says: where the work is done, what work it is, which faults meet it, and what must have come of it.
 * Immutable. What each member of the file means and may be stands in {@code toxiproxy/scenario.schema.json}.
 *
 * @param name   the file's name without its ending
 * @param title  one line
 * @param tells  what happens and why it matters, in a few sentences
 * @param stage  what stands between the work and the data
 * @param work   the calls
 * @param faults in the order of the file
 * @param expect what must hold at the end, besides exactly once
 */
public record Scenario(String name, String title, String tells, StageKind stage, Work work, List<PlannedFault> faults,
        Expectation expect) {

    /** What stands between the work and the data. */
    public enum StageKind {

        /** One server behind Toxiproxy. */
        SINGLE,
        /** A primary behind Toxiproxy, and a standby that it waits for at each COMMIT. */
        SYNCHRONOUS_STANDBY,
        /** A primary behind Toxiproxy, and a standby that follows when it can. */
        ASYNCHRONOUS_STANDBY,
        /** PgBouncer in transaction mode, behind Toxiproxy. */
        PGBOUNCER;

        /** Whether a standby belongs to it. */
        public boolean hasStandby() {
            return this == SYNCHRONOUS_STANDBY || this == ASYNCHRONOUS_STANDBY;
        }
    }

    /** Checks for null and copies the list. */
    public Scenario {
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(title, "title");
        Objects.requireNonNull(tells, "tells");
        Objects.requireNonNull(stage, "stage");
        Objects.requireNonNull(work, "work");
        Objects.requireNonNull(expect, "expect");
        faults = List.copyOf(faults);
    }
}
