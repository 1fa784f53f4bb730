package io.github.connecttransactretry.lab;

import java.util.Map;
import java.util.Objects;

/** What goes wrong. */
public sealed interface Fault {

    /** Its name, and of a toxic the direction: the one may hit while the other does not. */
    default String withDirection() {
        return toString();
    }

    /**
     * A toxic on the clients' proxy, as Toxiproxy documents it.
     *
     * @param type       of Toxiproxy's own names, or {@code down}, which refuses and ends all connections
     * @param upstream   whether it meets what clients send, rather than what the server answers
     * @param attributes of the toxic, by Toxiproxy's names
     * @param toxicity   the share of connections that it meets, 0 to 1
     */
    record Toxic(String type, boolean upstream, Map<String, Long> attributes, float toxicity) implements Fault {

        /** Refuses connections and ends those that there are. */
        public static final String DOWN = "down";

        /** Copies the map. */
        public Toxic {
            Objects.requireNonNull(type, "type");
            attributes = Map.copyOf(attributes);
        }

        long attribute(String name, long otherwise) {
            return attributes.getOrDefault(name, otherwise);
        }

        @Override
        public String withDirection() {
            return type.equals(DOWN) ? type : type + (upstream ? " upstream" : " downstream");
        }

        @Override
        public String toString() {
            return type;
        }
    }

    /** Something that happens to a server, or to a process of it. */
    enum Server implements Fault {

        /** A clean stop and, after the fault's time, a start. */
        RESTART,
        /** SIGKILL to all of its processes at once and, after the fault's time, a start. */
        CRASH,
        /** SIGKILL to one backend of the clients': the server ends all others and recovers. */
        KILL_BACKEND,
        /** {@code pg_terminate_backend} for one backend of the clients'. */
        TERMINATE_BACKEND,
        /** The primary is killed, the standby promoted and put at its address. */
        FAILOVER,
        /** The standby is stopped, so that it misses what follows; after the fault's time there is a failover to it. */
        LAGGING_FAILOVER,
        /** The primary is stopped cleanly and comes back as a standby at the same address; after the fault's time, the address leads to the new primary. */
        DEMOTION,
        /** PgBouncer is stopped and, after the fault's time, started. */
        RESTART_POOLER;

        @Override
        public String toString() {
            return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
        }
    }
}
