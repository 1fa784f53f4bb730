package io.github.connecttransactretry.observe;

import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The listeners of one engine: each is told, and none can disturb a call or another listener. Immutable and thread-safe. */
public final class Events {

    private static final Logger LOG = LoggerFactory.getLogger(Events.class);

    private final List<TransactionListener> listeners;

    /**
     * For these listeners, told in this order.
     *
     * @param listeners not null
     */
    public Events(List<TransactionListener> listeners) {
        this.listeners = List.copyOf(listeners);
    }

    /** Tells every listener; what one throws is logged and ignored. */
    public void tell(TransactionEvent event) {
        for (TransactionListener listener : listeners) {
            try {
                listener.on(event);
            } catch (Throwable thrown) {
                LOG.warn("a TransactionListener threw on {}; the call goes on", event.getClass().getSimpleName(), thrown);
            }
        }
    }
}
