package io.github.connecttransactretry.chaos;

import java.util.Locale;

/**
 * A fault that a {@link FaultyDataSource} has made. Immutable.
 *
 * @param place      of what kind the place was
 * @param nth        which of its kind, 1 for the first of the {@code DataSource}
 * @param connection which physical connection, 1 for the first; 0 for {@link Place#CONNECT}
 * @param fault      what was done
 * @param outcome    what became of what was to be sent, in words
 */
public record FaultDone(Place place, int nth, int connection, Fault fault, String outcome) {

    /** One line for a reader. */
    @Override
    public String toString() {
        return where() + ": " + fault + " (" + outcome + ")";
    }

    String where() {
        String name = place == Place.COMMIT ? "COMMIT" : place.name().toLowerCase(Locale.ROOT);
        return name + " " + nth + (connection == 0 ? "" : " on connection " + connection);
    }
}
