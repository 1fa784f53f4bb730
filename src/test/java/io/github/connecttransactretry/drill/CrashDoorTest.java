package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.observe.TransactionEvent;
import io.github.connecttransactretry.outcome.CommitOutcome;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

class CrashDoorTest {

    private static final Duration LONG = Duration.ofSeconds(20);

    private final DoubtBook book = new DoubtBook();
    private final CrashDoor door = new CrashDoor(book);

    @Test
    void onlyCallsWithEvidenceAndNoProofCount() throws InterruptedException {
        for (String call : Set.of("in-doubt", "unknown", "returned", "threw", "resolved", "resolved-not", "failed")) {
            door.evidence(call);
            door.commit(call);
        }
        door.commit("without-evidence");
        tell(new TransactionEvent.OutcomeAsked("in-doubt", 1, null));
        tell(resolved("unknown", new CommitOutcome.Unknown("no answer")));
        tell(new TransactionEvent.CallSucceeded("returned", 1, Duration.ZERO));
        tell(new TransactionEvent.CallFailed("threw", 1, Duration.ZERO, RuntimeException.class));
        tell(resolved("resolved", new CommitOutcome.Committed("yes", "00000001")));
        tell(resolved("resolved-not", new CommitOutcome.NotCommitted("no", "00000001")));
        tell(attemptFailed("failed"));
        assertEquals(Set.of("in-doubt", "unknown"), door.crash(0, () -> { }));
        assertEquals(new DoubtBook.Counts(1, 1, 0, 1, 1, 1), book.counts());
    }

    @Test
    void nothingPassesBetweenTheOrderAndTheDeath() throws InterruptedException {
        door.evidence("under-way");
        List<CompletableFuture<Void>> waiting = new CopyOnWriteArrayList<>();
        CompletableFuture<Set<String>> ordered = new CompletableFuture<>();
        Thread coordinator = new Thread(() -> ordered.complete(door.crash(1, () -> {
            waiting.add(begin(() -> door.evidence("late")));
            waiting.add(begin(() -> door.commit("late")));
            // The COMMIT under way is among them by now, or the order would not have been given.
            waiting.forEach(step -> assertThrows(TimeoutException.class, () -> step.get(50, TimeUnit.MILLISECONDS)));
            assertEquals(Set.of("under-way"), book.open());
        })));
        coordinator.start();
        Await.until("the order to wait for a COMMIT", LONG, () -> coordinator.getState() == Thread.State.TIMED_WAITING);
        waiting.add(begin(() -> {
            door.commit("under-way");
            // Were it let go before the order, its proof would come before the order too.
            tell(new TransactionEvent.CallSucceeded("under-way", 1, Duration.ZERO));
        }));
        CompletableFuture<Void> question = begin(door::question);
        assertEquals(Set.of("under-way"), ordered.orTimeout(LONG.toSeconds(), TimeUnit.SECONDS).join());
        Await.until("all to pass after the death", LONG, () -> waiting.stream().allMatch(CompletableFuture::isDone));
        assertThrows(TimeoutException.class, () -> question.get(50, TimeUnit.MILLISECONDS));
        door.letQuestionsPass();
        question.orTimeout(LONG.toSeconds(), TimeUnit.SECONDS).join();
    }

    @Test
    void evidenceUnderWayThatFailsDoesNotCount() throws InterruptedException {
        door.evidence("failing");
        CompletableFuture<Set<String>> ordered = new CompletableFuture<>();
        Thread crash = new Thread(() -> ordered.complete(door.crash(0, () -> { })));
        crash.start();
        Await.until("the order to wait for evidence", LONG, () -> crash.getState() == Thread.State.TIMED_WAITING || ordered.isDone());
        tell(attemptFailed("failing"));
        assertEquals(Set.of(), ordered.orTimeout(LONG.toSeconds(), TimeUnit.SECONDS).join());
    }

    @Test
    void evidenceThatNeverArrivesCountsAsTaken() throws InterruptedException {
        door.evidence("stuck");
        assertEquals(Set.of("stuck"), door.crash(0, () -> { }));
    }

    private interface Step {
        void run() throws InterruptedException;
    }

    private static CompletableFuture<Void> begin(Step step) {
        return CompletableFuture.runAsync(() -> {
            try {
                step.run();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }, task -> new Thread(task).start());
    }

    private void tell(TransactionEvent event) {
        book.on(event);
    }

    private static TransactionEvent attemptFailed(String call) {
        return new TransactionEvent.AttemptFailed(call, new AttemptFailure(1, Phase.COMMIT, "40001",
                io.github.connecttransactretry.classify.Verdict.CONFLICT, "refused", Duration.ZERO, Duration.ZERO));
    }

    private static TransactionEvent resolved(String call, CommitOutcome outcome) {
        return new TransactionEvent.OutcomeResolved(call, outcome, "", Duration.ZERO, null);
    }
}
