package io.github.connecttransactretry.chaos;

import java.util.List;

/**
 * Which faults happen where: a script that names the places, or chance that a seed repeats. Immutable; one plan may be given to
 * several {@link FaultyDataSource}s, each of which begins it anew.
 */
public abstract sealed class FaultPlan permits FaultScript, SeededFaults {

    FaultPlan() {
    }

    /**
     * A plan that names each place.
     *
     * @return one without faults, to add them to
     */
    public static FaultScript script() {
        return new FaultScript(List.of());
    }

    /**
     * A plan in which chance has it, and the same chance each time: the same seed makes the same fault at the same place, told by
     * the number of the connection and the number of the statement or COMMIT on it. Where several threads run it is up to them
     * who gets there.
     *
     * @param seed any number
     * @return one without faults, to add them to
     */
    public static SeededFaults seeded(long seed) {
        return new SeededFaults(seed, List.of(), Integer.MAX_VALUE);
    }

    /** The plan as it goes for one {@code DataSource}. */
    abstract Course begin();

    /** A plan that is being carried out. Thread-safe. */
    interface Course {

        /** What is to go wrong there, or null. To be asked once for each place that is come to. */
        Fault at(Visit visit);

        /** What the plan names and was not come to yet. */
        List<String> notReached();
    }

    /**
     * A place that is come to.
     *
     * @param place           its kind
     * @param nth             which of its kind on the {@code DataSource}
     * @param connection      which physical connection; 0 for connecting
     * @param nthOnConnection which of its kind there
     * @param text            the statement; of a COMMIT all statements of its transaction; empty for connecting
     */
    record Visit(Place place, int nth, int connection, int nthOnConnection, String text) {
    }
}
