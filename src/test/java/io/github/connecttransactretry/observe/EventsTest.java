package io.github.connecttransactretry.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import io.github.connecttransactretry.fixtures.CapturedLog;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class EventsTest {

    private static final TransactionEvent EVENT = new TransactionEvent.AttemptStarted("transfer", 1);

    @Test
    void aListenerThatThrowsDisturbsNobody() {
        List<String> told = new ArrayList<>();
        Events events = new Events(List.of(
                event -> told.add("first " + event.label()),
                event -> {
                    throw new IllegalStateException("broken listener");
                },
                event -> {
                    throw new AssertionError("an Error too");
                },
                event -> told.add("last " + event.label())));
        try (CapturedLog log = CapturedLog.ofLibrary(Level.WARN)) {
            events.tell(EVENT);
            assertEquals(List.of("first transfer", "last transfer"), told, "in the order given");
            assertEquals(2, log.events().size());
            assertTrue(log.text().contains("broken listener") && log.text().contains("an Error too"), log::text);
            assertTrue(log.text().contains("AttemptStarted; the call goes on"), log::text);
        }
    }

    @Test
    void listenersAreThoseOfTheBeginning() {
        List<String> told = new ArrayList<>();
        List<TransactionListener> listeners = new ArrayList<>(List.of(event -> told.add("one")));
        Events events = new Events(listeners);
        listeners.clear();
        events.tell(EVENT);
        assertEquals(List.of("one"), told);
    }
}
