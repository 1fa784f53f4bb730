package io.github.connecttransactretry.lab;

import eu.rekawek.toxiproxy.Proxy;
import eu.rekawek.toxiproxy.model.Toxic;
import eu.rekawek.toxiproxy.model.ToxicDirection;
import eu.rekawek.toxiproxy.model.ToxicList;
import java.io.IOException;

/** Puts a scenario's toxics on a proxy. Stateless. */
final class Toxics {

    private Toxics() {
    }

    /** What takes a fault away again. */
    interface Ending {

        void end() throws IOException;
    }

    static Ending add(Proxy proxy, String name, Fault.Toxic wanted) throws IOException {
        if (wanted.type().equals(Fault.Toxic.DOWN)) {
            proxy.disable();
            return proxy::enable;
        }
        Toxic added = create(proxy.toxics(), name, wanted.upstream() ? ToxicDirection.UPSTREAM : ToxicDirection.DOWNSTREAM, wanted);
        if (wanted.toxicity() < 1) {
            added.setToxicity(wanted.toxicity());
        }
        return added::remove;
    }

    private static Toxic create(ToxicList toxics, String name, ToxicDirection direction, Fault.Toxic wanted) throws IOException {
        switch (wanted.type()) {
            case "latency":
                return toxics.latency(name, direction, wanted.attribute("latency", 0)).setJitter(wanted.attribute("jitter", 0));
            case "bandwidth":
                return toxics.bandwidth(name, direction, wanted.attribute("rate", 0));
            case "slow_close":
                return toxics.slowClose(name, direction, wanted.attribute("delay", 0));
            case "timeout":
                return toxics.timeout(name, direction, wanted.attribute("timeout", 0));
            case "reset_peer":
                return toxics.resetPeer(name, direction, wanted.attribute("timeout", 0));
            case "slicer":
                return toxics.slicer(name, direction, wanted.attribute("average_size", 1), wanted.attribute("delay", 0))
                        .setSizeVariation(wanted.attribute("size_variation", 0));
            case "limit_data":
                return toxics.limitData(name, direction, wanted.attribute("bytes", 0));
            default:
                throw new IllegalArgumentException("no toxic " + wanted.type());
        }
    }
}
