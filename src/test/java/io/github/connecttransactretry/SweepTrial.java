package io.github.connecttransactretry;

import io.github.connecttransactretry.fixtures.ByteRelay;
import io.github.connecttransactretry.fixtures.ByteRelay.Chunk;
import io.github.connecttransactretry.fixtures.ByteRelay.Cut;
import io.github.connecttransactretry.fixtures.ByteRelay.Direction;
import io.github.connecttransactretry.fixtures.ByteRelay.Plan;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionListener;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** One call whose first attempt's conversation is cut at one place: what happened to it, and what had to. */
final class SweepTrial implements TransactionListener {

    private final SweepWay way;
    private final int offset;
    private final Plan plan;
    private final ByteRelay relay;
    private final List<TransactionEvent> events = new CopyOnWriteArrayList<>();
    private volatile int attempt;
    private volatile Throwable thrown;

    SweepTrial(SweepWay way, int offset, ByteRelay relay) {
        this.way = way;
        this.offset = offset;
        this.relay = relay;
        this.plan = new Plan(way.direction(), offset, way.cut());
    }

    /** What the caller was told of the cut attempt, and how. */
    enum Told {
        /** The attempt failed before its COMMIT: the call went again. */
        WENT_AGAIN,
        /** In doubt, and found committed. */
        FOUND_COMMITTED,
        /** In doubt, and found not committed: the call went again. */
        FOUND_NOT_COMMITTED,
        /** In doubt, and left so. */
        UNKNOWN,
        /** The server's own answer came through. */
        ACKNOWLEDGED,
        /** The call failed, and said that nothing was committed. */
        FAILED
    }

    @Override
    public void on(TransactionEvent event) {
        events.add(event);
        if (way.isDeliveredOn(event)) {
            relay.deliver();
        }
    }

    void returned(int ofAttempt) {
        attempt = ofAttempt;
    }

    void threw(Throwable failure) {
        thrown = failure;
    }

    SweepWay way() {
        return way;
    }

    int offset() {
        return offset;
    }

    Plan plan() {
        return plan;
    }

    Throwable thrown() {
        return thrown;
    }

    boolean reached() {
        return plan.reached();
    }

    /** Whether it went through undisturbed, which it may only if its conversation was shorter than the offset. */
    boolean isUndisturbed() {
        return !reached() && attempt == 1 && !inDoubt() && thrown == null;
    }

    /** Whether the outcome of a COMMIT was asked for. */
    boolean inDoubt() {
        return events.stream().anyMatch(OutcomeAsked.class::isInstance);
    }

    Told told() {
        for (TransactionEvent event : events) {
            if (event instanceof OutcomeResolved resolved) {
                CommitOutcome outcome = resolved.outcome();
                return outcome instanceof CommitOutcome.Committed ? Told.FOUND_COMMITTED
                        : outcome instanceof CommitOutcome.NotCommitted ? Told.FOUND_NOT_COMMITTED : Told.UNKNOWN;
            }
        }
        return thrown != null ? Told.FAILED : attempt == 1 ? Told.ACKNOWLEDGED : Told.WENT_AGAIN;
    }

    /** How many bytes had gone in a direction before the message that holds the COMMIT; -1 if that was not seen. */
    int before(Direction direction) {
        int passed = 0;
        for (Chunk chunk : plan.read()) {
            if (chunk.direction() == Direction.CLIENT_TO_SERVER && isCommit(chunk)) {
                return passed;
            }
            passed += chunk.direction() == direction ? chunk.bytes().length : 0;
        }
        return -1;
    }

    /** The length of the message that holds the COMMIT. */
    int commitLength() {
        return plan.read().stream().filter(SweepTrial::isCommit).findFirst().map(chunk -> chunk.bytes().length).orElse(0);
    }

    private static boolean isCommit(Chunk chunk) {
        return new String(chunk.bytes(), StandardCharsets.ISO_8859_1).contains("COMMIT");
    }

    /** How many bytes answered the COMMIT of a conversation that was not cut. */
    int answerLength() {
        return (int) plan.passed(Direction.SERVER_TO_CLIENT) - before(Direction.SERVER_TO_CLIENT);
    }

    /**
     * What is wrong with this call besides its effect, or the empty text. A cut that leaves the client with a COMMIT on its way
     * and less than the whole answer must leave the engine in doubt; any other must not, but for a reset at either edge, which
     * may overtake what passed before it.
     *
     * @param answer the length of the answer to COMMIT
     */
    String complaint(int answer) {
        boolean late = way.cut() == Cut.LATE;
        int began = before(way.direction());
        boolean must;
        boolean may;
        if (began < 0) {
            must = false;
            may = way == SweepWay.DOWN_RESET;
        } else if (way.direction() == Direction.CLIENT_TO_SERVER) {
            int end = began + commitLength();
            must = late ? offset >= began && offset < end : offset > began && offset <= end;
            may = must;
            if (late && must && plan.held() != end - offset) {
                return "not all of the COMMIT was held back, but " + plan.held() + " bytes";
            }
        } else {
            may = offset >= began && offset <= began + answer;
            must = offset >= began && offset < began + answer && (way != SweepWay.DOWN_RESET || offset > began);
            may = way == SweepWay.DOWN_RESET ? may : must;
        }
        if (inDoubt() ? !may : must) {
            return "offset " + offset + (inDoubt() ? " is in doubt and must not be: " : " must be in doubt: ") + events;
        }
        boolean first = events.stream().filter(OutcomeAsked.class::isInstance).map(OutcomeAsked.class::cast)
                .allMatch(asked -> asked.attempt() == 1);
        return first ? "" : "another attempt than the first was in doubt at offset " + offset + ": " + events;
    }

    @Override
    public String toString() {
        return way + " at " + offset + ": attempt " + attempt + ", " + plan.passed(Direction.CLIENT_TO_SERVER) + " bytes up, "
                + plan.passed(Direction.SERVER_TO_CLIENT) + " down, thrown " + thrown + ", " + events;
    }
}
