package io.github.connecttransactretry.chaos;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A {@link FaultPlan} that names each place by its number on the {@code DataSource}, in the order in which they are come to.
 * What others send through the same {@code DataSource} counts as well, such as an engine's own statements; a text that the
 * statement, or one of the COMMIT's transaction, mentions tells them apart. Immutable.
 */
public final class FaultScript extends FaultPlan {

    private final List<Line> lines;

    FaultScript(List<Line> lines) {
        this.lines = List.copyOf(lines);
    }

    /** One fault at the nth of the places that mention the text. */
    record Line(Place place, int nth, String mentioning, Fault fault) {

        String where() {
            return place + " " + nth + (mentioning.isEmpty() ? "" : " mentioning \"" + mentioning + "\"");
        }

        boolean isAbout(Visit visit) {
            return visit.place() == place && visit.text().contains(mentioning);
        }
    }

    /**
     * The plan with a fault at a COMMIT more.
     *
     * @param nth   1 for the first
     * @param fault any but {@link Fault#REFUSE}
     * @return a plan of its own
     * @throws IllegalArgumentException if the number is less than 1, taken already, or the fault cannot happen there
     */
    public FaultScript atCommit(int nth, Fault fault) {
        return with(Place.COMMIT, nth, "", fault);
    }

    /**
     * The plan with a fault at a COMMIT more, of which only those count whose transaction has run a statement with the text.
     *
     * @param nth        1 for the first
     * @param mentioning a part of such a statement, to the letter
     * @param fault      any but {@link Fault#REFUSE}
     * @return a plan of its own
     * @throws IllegalArgumentException as {@link #atCommit(int, Fault)}
     */
    public FaultScript atCommit(int nth, String mentioning, Fault fault) {
        return with(Place.COMMIT, nth, text(mentioning), fault);
    }

    /**
     * The plan with a fault at a statement more.
     *
     * @param nth   1 for the first; a batch is one
     * @param fault any but {@link Fault#REFUSE} and {@link Fault#DELIVER_LATE}
     * @return a plan of its own
     * @throws IllegalArgumentException if the number is less than 1, taken already, or the fault cannot happen there
     */
    public FaultScript atStatement(int nth, Fault fault) {
        return with(Place.STATEMENT, nth, "", fault);
    }

    /**
     * The plan with a fault at a statement more, of which only those with the text count.
     *
     * @param nth        1 for the first
     * @param mentioning a part of it, to the letter
     * @param fault      any but {@link Fault#REFUSE} and {@link Fault#DELIVER_LATE}
     * @return a plan of its own
     * @throws IllegalArgumentException as {@link #atStatement(int, Fault)}
     */
    public FaultScript atStatement(int nth, String mentioning, Fault fault) {
        return with(Place.STATEMENT, nth, text(mentioning), fault);
    }

    /**
     * The plan with a refused connect more.
     *
     * @param nth   1 for the first
     * @param fault {@link Fault#REFUSE}, alone or followed by more refusals
     * @return a plan of its own
     * @throws IllegalArgumentException if the number is less than 1, taken already, or the fault cannot happen there
     */
    public FaultScript atConnect(int nth, Fault fault) {
        return with(Place.CONNECT, nth, "", fault);
    }

    /**
     * The plan with an outage at its beginning: from the first connect on all are refused for a time. One in the midst of the work
     * is {@link Fault#thenRefusing(Duration)}.
     *
     * @param time more than zero
     * @return a plan of its own
     * @throws IllegalArgumentException if the time is not more than zero, or the first connect has a fault already
     */
    public FaultScript refuseConnections(Duration time) {
        return atConnect(1, Fault.REFUSE.thenRefusing(time));
    }

    /**
     * The plan with the first connects refused.
     *
     * @param connects how many, 1 or more
     * @return a plan of its own
     * @throws IllegalArgumentException if it is less than 1, or the first connect has a fault already
     */
    public FaultScript refuseConnections(int connects) {
        return atConnect(1, connects == 1 ? Fault.REFUSE : Fault.REFUSE.thenRefusing(connects - 1));
    }

    private static String text(String mentioning) {
        if (Objects.requireNonNull(mentioning, "mentioning").isEmpty()) {
            throw new IllegalArgumentException("every statement mentions the empty text: leave it out");
        }
        return mentioning;
    }

    private FaultScript with(Place place, int nth, String mentioning, Fault fault) {
        Objects.requireNonNull(fault, "fault");
        if (nth < 1) {
            throw new IllegalArgumentException("there is no " + place + " " + nth + ": the first has the number 1");
        }
        Line line = new Line(place, nth, mentioning, fault.requireFits(place));
        if (lines.stream().anyMatch(other -> other.where().equals(line.where()))) {
            throw new IllegalArgumentException(line.where() + " has a fault already: give it one, or another place");
        }
        return new FaultScript(Stream.concat(lines.stream(), Stream.of(line)).toList());
    }

    @Override
    Course begin() {
        return new Reading(lines);
    }

    /** The lines, one under the other in one line. */
    @Override
    public String toString() {
        return "script [" + lines.stream().map(line -> line.where() + ": " + line.fault()).collect(Collectors.joining(", ")) + "]";
    }

    private static final class Reading implements Course {

        private final List<Line> lines;
        private final int[] seen;

        private Reading(List<Line> lines) {
            this.lines = lines;
            this.seen = new int[lines.size()];
        }

        @Override
        public synchronized Fault at(Visit visit) {
            Fault fault = null;
            for (int i = 0; i < seen.length; i++) {
                Line line = lines.get(i);
                if (line.isAbout(visit) && ++seen[i] == line.nth()) {
                    fault = fault == null ? line.fault() : fault;
                }
            }
            return fault;
        }

        @Override
        public synchronized List<String> notReached() {
            List<String> left = new ArrayList<>();
            for (int i = 0; i < seen.length; i++) {
                if (seen[i] < lines.get(i).nth()) {
                    left.add(lines.get(i).where() + ": " + lines.get(i).fault());
                }
            }
            return left;
        }
    }
}
