package io.github.connecttransactretry.peers;

import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;

/** What may happen to a call, once. */
enum Fault {

    COMMIT_NEVER_ARRIVED(Place.COMMIT, WireAction.CUT_BEFORE, 40),
    COMMIT_ANSWER_LOST(Place.COMMIT, WireAction.CUT_AFTER, 50),
    COMMIT_LATE(Place.COMMIT, WireAction.HOLD_AND_CUT, 30),
    COMMIT_TO_TERMINATED(Place.COMMIT, WireAction.PASS, 20),
    STATEMENT_NEVER_ARRIVED(Place.BODY, WireAction.CUT_BEFORE, 30),
    STATEMENT_ANSWER_LOST(Place.BODY, WireAction.CUT_AFTER, 30),
    STATEMENT_TO_TERMINATED(Place.BODY, WireAction.PASS, 30),
    SERVER_CRASH(Place.BODY, WireAction.PASS, 0),
    NONE(null, WireAction.PASS, 0);

    private final Place place;
    final WireAction action;
    final int perMille;

    /** Where in a call. */
    private enum Place {
        BODY, COMMIT
    }

    Fault(Place place, WireAction action, int perMille) {
        this.place = place;
        this.action = action;
        this.perMille = perMille;
    }

    boolean isFor(WireRequest request) {
        return request.isCommit() ? place == Place.COMMIT : place == Place.BODY && request.mentions("INTO " + Bench.EFFECT);
    }

    boolean terminatesBackend() {
        return this == COMMIT_TO_TERMINATED || this == STATEMENT_TO_TERMINATED;
    }
}
