package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.ConflictSite;
import io.github.connecttransactretry.ground.DriverSupport;
import io.github.connecttransactretry.ground.PhysicalConnection;
import java.sql.Connection;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** The drivers that the engine found on the class path. */
final class Drivers {

    private final List<DriverSupport> supports;

    Drivers(List<DriverSupport> supports) {
        this.supports = List.copyOf(supports);
    }

    static Drivers found() {
        return new Drivers(services(DriverSupport.class));
    }

    /** All services whose own dependency is there: one without it fails to load, which is what "optional" means. */
    static <S> List<S> services(Class<S> type) {
        List<S> found = new ArrayList<>();
        Iterator<S> services = ServiceLoader.load(type, Drivers.class.getClassLoader()).iterator();
        while (true) {
            try {
                if (!services.hasNext()) {
                    return found;
                }
                found.add(services.next());
            } catch (ServiceConfigurationError | LinkageError withoutItsDependency) {
                continue;
            }
        }
    }

    boolean isEmpty() {
        return supports.isEmpty();
    }

    Optional<Recognised> recognise(Connection connection) {
        for (DriverSupport support : supports) {
            Optional<PhysicalConnection> physical = support.recognise(connection);
            if (physical.isPresent()) {
                return Optional.of(new Recognised(support, physical.get()));
            }
        }
        return Optional.empty();
    }

    /** The name of the server's function that raised it, or null. */
    String routine(Throwable thrown) {
        return supports.stream().map(support -> support.serverRoutine(thrown)).filter(name -> name != null).findFirst()
                .orElse(null);
    }

    /** Where it met another transaction, by the first driver that can tell. */
    ConflictSite conflictSite(Throwable thrown) {
        return supports.stream().map(support -> support.conflictSite(thrown)).filter(site -> !site.equals(ConflictSite.UNKNOWN))
                .findFirst().orElse(ConflictSite.UNKNOWN);
    }

    boolean isServerReply(Throwable thrown) {
        return supports.stream().anyMatch(support -> support.isServerReply(thrown));
    }

    /** A connection and the driver that made it. */
    record Recognised(DriverSupport driver, PhysicalConnection physical) {
    }
}
