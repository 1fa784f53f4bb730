package io.github.connecttransactretry.chaos;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;

/** What a {@link FaultyDataSource} has seen and done. Thread-safe. */
final class FaultJournal {

    private final Map<Place, AtomicInteger> visits = new EnumMap<>(Place.class);
    private final List<FaultDone> done = new ArrayList<>();

    FaultJournal() {
        for (Place place : Place.values()) {
            visits.put(place, new AtomicInteger());
        }
    }

    /** The number of the place that is come to now. */
    int next(Place place) {
        return visits.get(place).incrementAndGet();
    }

    int visits(Place place) {
        return visits.get(place).get();
    }

    /** A fault that is being made, until its outcome is known. */
    final class Entry {

        private final int index;

        private Entry(int index) {
            this.index = index;
        }

        FaultDone outcome(String outcome) {
            synchronized (done) {
                FaultDone fault = get();
                done.set(index, new FaultDone(fault.place(), fault.nth(), fault.connection(), fault.fault(), outcome));
                return get();
            }
        }

        FaultDone get() {
            synchronized (done) {
                return done.get(index);
            }
        }
    }

    Entry begin(FaultPlan.Visit visit, Fault fault) {
        synchronized (done) {
            done.add(new FaultDone(visit.place(), visit.nth(), visit.connection(), fault, "under way"));
            return new Entry(done.size() - 1);
        }
    }

    List<FaultDone> done() {
        synchronized (done) {
            return List.copyOf(done);
        }
    }

    /** The counts, in one line. */
    @Override
    public String toString() {
        Map<String, Integer> counts = new TreeMap<>();
        List<FaultDone> all = done();
        all.forEach(fault -> counts.merge(fault.place() + " " + fault.fault(), 1, Integer::sum));
        return "connects=" + visits(Place.CONNECT) + " statements=" + visits(Place.STATEMENT) + " commits="
                + visits(Place.COMMIT) + " faults=" + all.size() + counts;
    }
}
