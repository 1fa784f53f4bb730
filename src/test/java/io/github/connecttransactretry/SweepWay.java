package io.github.connecttransactretry;

import io.github.connecttransactretry.fixtures.ByteRelay.Cut;
import io.github.connecttransactretry.fixtures.ByteRelay.Direction;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import java.util.List;

/** A direction, a way to cut, and for bytes that come late the moment at which they do, if it is before the call returns. */
enum SweepWay {

    UP_RESET(Direction.CLIENT_TO_SERVER, Cut.RESET, "reset"),
    UP_SILENCE(Direction.CLIENT_TO_SERVER, Cut.SILENCE, "silence"),
    UP_LATE_ASKED(Direction.CLIENT_TO_SERVER, Cut.LATE, "late: while the question is asked", OutcomeAsked.class,
            AttemptFailed.class),
    UP_LATE_ANSWERED(Direction.CLIENT_TO_SERVER, Cut.LATE, "late: before the next attempt", AttemptFailed.class),
    UP_LATE_RETURNED(Direction.CLIENT_TO_SERVER, Cut.LATE, "late: after the call has returned"),
    DOWN_RESET(Direction.SERVER_TO_CLIENT, Cut.RESET, "reset"),
    DOWN_SILENCE(Direction.SERVER_TO_CLIENT, Cut.SILENCE, "silence"),
    DOWN_LATE(Direction.SERVER_TO_CLIENT, Cut.LATE, "late: after the call has returned");

    private final Direction direction;
    private final Cut cut;
    private final String words;
    private final List<Class<?>> deliveredOn;

    SweepWay(Direction direction, Cut cut, String words, Class<?>... deliveredOn) {
        this.direction = direction;
        this.cut = cut;
        this.words = words;
        this.deliveredOn = List.of(deliveredOn);
    }

    Direction direction() {
        return direction;
    }

    Cut cut() {
        return cut;
    }

    String directionInWords() {
        return direction == Direction.CLIENT_TO_SERVER ? "client to server" : "server to client";
    }

    /** What happens, for a reader. */
    String words() {
        return words;
    }

    boolean isDeliveredOn(TransactionEvent event) {
        return deliveredOn.contains(event.getClass());
    }
}
