package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.OutcomeMode;
import io.github.connecttransactretry.chaos.Await;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/**
 * Thousands of transfers through random faults, by transaction ids and by the ledger at once: exactly once, and enough faults
 * that met something. {@code -Dsoak.transactions} says how many (both modes together), {@code -Dsoak.seed} repeats what was
 * drawn, {@code -Dsoak.round} plays one round of it alone.
 */
@Tag("soak")
class SoakTest {

    private static final long TRANSACTIONS = Long.getLong("soak.transactions", 4000);
    private static final long SEED = Long.getLong("soak.seed", new SplittableRandom().nextInt(1_000_000));
    private static final int ROUND = Integer.getInteger("soak.round", 0);

    @Test
    @Timeout(value = 60, unit = TimeUnit.MINUTES)
    void nothingDoubledLostOrWrong() throws Exception {
        long begun = System.nanoTime();
        try (Soak status = soak(OutcomeMode.STATUS); Soak ledger = soak(OutcomeMode.LEDGER)) {
            System.out.println("soak: seed " + SEED + " (-Dsoak.seed), " + TRANSACTIONS + " transactions (-Dsoak.transactions), drawn from " + status);
            if (ROUND > 0) {
                (ROUND % 2 == 1 ? status : ledger).play(ROUND);
            } else {
                playBoth(status, ledger);
            }
            List<String> complaints = new ArrayList<>(status.complaints());
            complaints.addAll(ledger.complaints());
            System.out.println("soak: seed " + SEED + ", " + Duration.ofNanos(System.nanoTime() - begun).toSeconds() + " s\n\n"
                    + SoakTotals.table(status.totals(), ledger.totals()) + "\nsoak: verdict: "
                    + (complaints.isEmpty() ? "exactly-once" : "NOT AS IT MUST BE in " + complaints.size() + " rounds"));
            assertEquals(List.of(), complaints);
            if (ROUND == 0) {
                assertAll(Stream.concat(enough(status.totals()), enough(ledger.totals())));
            }
        }
    }

    private static Soak soak(OutcomeMode mode) throws Exception {
        return new Soak(mode, SEED, Soak.CALLS, ScenarioRun.Setting.NONE);
    }

    /** Odd rounds by transaction ids, even ones by the ledger; side by side, as each spends much of its time waiting. */
    private static void playBoth(Soak status, Soak ledger) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try {
            CompletionService<Void> lanes = new ExecutorCompletionService<>(threads);
            lanes.submit(() -> playAll(status, 1));
            lanes.submit(() -> playAll(ledger, 2));
            // Whichever ends first, so that a failure is told at once.
            lanes.take().get();
            lanes.take().get();
        } finally {
            threads.shutdownNow();
            Await.until("the rounds to end", Duration.ofMinutes(2), threads::isTerminated);
        }
    }

    private static Void playAll(Soak soak, int first) throws Exception {
        for (int round = first; soak.totals().transactions() < (TRANSACTIONS + 1) / 2; round += 2) {
            soak.play(round);
        }
        return null;
    }

    /** A soak whose faults do not hit shows nothing. Of 100,000 transactions: 10,000 faults, 2,000 at COMMIT, 1,000 in doubt, 200 each way. */
    private static Stream<Executable> enough(SoakTotals totals) {
        long transactions = (TRANSACTIONS + 1) / 2;
        return Stream.of(
                () -> atLeast(transactions, totals.transactions(), "transactions"),
                () -> atLeast(transactions / 10, totals.faults(), "faults"),
                () -> atLeast(transactions / 50, totals.faultsAtCommit(), "faults between COMMIT's first byte and its answer"),
                () -> atLeast(transactions / 100, totals.inDoubt(), "COMMITs in doubt"),
                () -> atLeast(transactions / 500, totals.committed(), "COMMITs in doubt that proved committed"),
                () -> atLeast(transactions / 500, totals.notCommitted(), "COMMITs in doubt that proved not committed"),
                () -> assertTrue(totals.failed() <= transactions / 20, totals.failed() + " calls failed"),
                () -> assertTrue(totals.unknown() <= transactions / 20, totals.unknown() + " calls stayed unknown"));
    }

    private static void atLeast(long wanted, long there, String what) {
        assertTrue(there >= wanted, there + " " + what + ", at least " + wanted + " wanted in each mode");
    }
}
