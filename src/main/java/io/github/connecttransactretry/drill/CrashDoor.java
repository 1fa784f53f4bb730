package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives the crash a moment at which it is exactly known which calls have their evidence and no proof, and makes it the worst
 * moment there is. Shortly before, COMMITs and the questions about them begin to wait on the wire: the transaction ids of
 * those COMMITs are then in nothing that was flushed, so that the server hands them out again. Then no further evidence is
 * taken either until the server is dead. Safe from any thread.
 */
final class CrashDoor {

    private static final Logger LOG = LoggerFactory.getLogger(CrashDoor.class);
    private static final Duration LONGEST_GATHERING = Duration.ofMillis(250);
    private static final Duration LONGEST_DRAIN = Duration.ofSeconds(2);

    private final DoubtBook book;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition opened = lock.newCondition();
    private boolean evidenceWaits;
    private boolean commitsWait;
    private boolean questionsWait;
    private int waitingCommits;

    CrashDoor(DoubtBook book) {
        this.book = book;
    }

    /** Called on the wire before the evidence's statement goes to the server. */
    void evidence(String call) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (evidenceWaits) {
                opened.await();
            }
            book.evidenceSent(call);
        } finally {
            lock.unlock();
        }
    }

    /** Called on the wire before a COMMIT goes to the server. */
    void commit(String call) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            book.commitSent(call);
            waitingCommits++;
            while (commitsWait) {
                opened.await();
            }
        } finally {
            waitingCommits--;
            lock.unlock();
        }
    }

    /** Called on the wire before a question about a COMMIT goes to the server. */
    void question() throws InterruptedException {
        lock.lockInterruptibly();
        try {
            while (questionsWait) {
                opened.await();
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Crashes the server. Questions go on waiting until {@link #letQuestionsPass()}.
     *
     * @param commits how many COMMITs are to be waiting, if so many come soon
     * @param crash kills it and returns when it is dead
     * @return the calls that had their evidence and no proof when the crash was ordered
     */
    Set<String> crash(int commits, Runnable crash) {
        set(false, true, true);
        try {
            atMost(LONGEST_GATHERING, "COMMITs to gather", () -> waitingCommits() >= commits);
            set(true, true, true);
            // Evidence under way arrives, and its COMMIT with it; or its attempt fails. If neither is seen in time, its
            // statement has gone to the server before the order, and it counts as taken.
            atMost(LONGEST_DRAIN, "evidence under way to arrive", book::isCertain);
            Set<String> ordered = book.open();
            crash.run();
            return ordered;
        } finally {
            set(false, false, true);
        }
    }

    void letQuestionsPass() {
        set(false, false, false);
    }

    private static void atMost(Duration bound, String what, Await.Condition condition) {
        try {
            Await.until(what, bound, condition);
        } catch (IllegalStateException late) {
            LOG.info("{}", late.getMessage());
        }
    }

    private int waitingCommits() {
        lock.lock();
        try {
            return waitingCommits;
        } finally {
            lock.unlock();
        }
    }

    private void set(boolean evidence, boolean commits, boolean questions) {
        lock.lock();
        try {
            evidenceWaits = evidence;
            commitsWait = commits;
            questionsWait = questions;
            opened.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
