package io.github.connecttransactretry;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.observe.TransactionListener;
import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcome;
import io.github.connecttransactretry.outcome.CommitOutcome.Committed;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** All COMMITs that were in doubt, and the answers, by call and attempt. Safe from any thread. */
final class DoubtLog implements TransactionListener {

    private final Map<CommitEvidence, Integer> attempts = new ConcurrentHashMap<>();
    private final Queue<Answer> answers = new ConcurrentLinkedQueue<>();
    private final AtomicInteger asked = new AtomicInteger();

    /** What the engine found out of one attempt's COMMIT. */
    record Answer(String call, int attempt, CommitOutcome outcome, CommitEvidence evidence) {

        /** The timeline of the server that answered; the empty text if none did, or none is known. */
        String timeline() {
            String timeline = outcome instanceof Committed committed ? committed.timeline()
                    : outcome instanceof NotCommitted not ? not.timeline() : null;
            return timeline == null ? "" : timeline;
        }

        boolean isCommitted() {
            return outcome instanceof Committed;
        }

        /** Whether the answer is untrue where these are all the effects there are. Unknown is never untrue. */
        boolean isFalse(Map<String, List<Integer>> effects) {
            boolean there = effects.getOrDefault(call, List.of()).contains(attempt);
            return isCommitted() && !there || outcome instanceof NotCommitted && there;
        }
    }

    @Override
    public void on(TransactionEvent event) {
        if (event instanceof OutcomeAsked question) {
            attempts.put(question.evidence(), question.attempt());
            asked.incrementAndGet();
        } else if (event instanceof OutcomeResolved resolved) {
            answers.add(new Answer(resolved.label(), attempts.get(resolved.evidence()), resolved.outcome(), resolved.evidence()));
        }
    }

    /** How many COMMITs were in doubt so far. */
    int asked() {
        return asked.get();
    }

    List<Answer> answers() {
        return List.copyOf(answers);
    }

    /** Waits until so many COMMITs have been in doubt, and none is. */
    void awaitAnswers(int atLeast) {
        Await.until(atLeast + " answers, and one to every doubt", CommitScene.PATIENCE,
                () -> answers.size() >= atLeast && answers.size() == asked.get());
    }

    /** The answers after the first so many. */
    List<Answer> answersAfter(int known) {
        List<Answer> all = answers();
        return all.subList(known, all.size());
    }

    static long count(List<Answer> answers, Class<? extends CommitOutcome> kind) {
        return answers.stream().filter(answer -> kind.isInstance(answer.outcome())).count();
    }
}
