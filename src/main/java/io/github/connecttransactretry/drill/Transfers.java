package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.Isolation;
import io.github.connecttransactretry.TransactionOptions;
import io.github.connecttransactretry.chaos.Await;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/** The threads that make transfers, one call after another, and tell the audit what each was answered. */
final class Transfers {

    /** Shorter than the library's default: a COMMIT that is held back eats half of it. */
    private static final int LEAST_TIMEOUT_MILLIS = 12_000;
    private static final int MOST_TIMEOUT_MILLIS = 15_000;
    private static final Duration LONGEST_END = Duration.ofMillis(3 * MOST_TIMEOUT_MILLIS);

    private final Bank bank;
    private final ConnectTransactRetry executor;
    private final List<Thread> threads = new ArrayList<>();
    private final Map<String, Integer> failures = new ConcurrentHashMap<>();
    private volatile boolean stopped;

    Transfers(Bank bank, ConnectTransactRetry executor) {
        this.bank = bank;
        this.executor = executor;
    }

    void begin(int count, SplittableRandom chance) {
        for (int number = 1; number <= count; number++) {
            String name = Integer.toString(number);
            SplittableRandom own = chance.split();
            Thread thread = new Thread(() -> work(name, own), "drill-transfers-" + name);
            thread.setDaemon(true);
            threads.add(thread);
        }
        threads.forEach(Thread::start);
    }

    private void work(String name, SplittableRandom chance) {
        for (int number = 1; !stopped; number++) {
            call(name + "-" + number, chance);
        }
    }

    private void call(String call, SplittableRandom chance) {
        int from = chance.nextInt(1, Bank.ACCOUNTS + 1);
        int to = from % Bank.ACCOUNTS + 1;
        int amount = chance.nextInt(1, 100);
        TransactionOptions options = TransactionOptions.defaults()
                .withIsolation(isolation(chance))
                .withTimeout(Duration.ofMillis(chance.nextInt(LEAST_TIMEOUT_MILLIS, MOST_TIMEOUT_MILLIS)))
                .withLabel(call);
        int attempt;
        try {
            attempt = executor.run(options, transaction -> bank.transfer(transaction, call, from, to, amount));
        } catch (Exception | Error thrown) {
            failures.merge(thrown.getClass().getSimpleName(), 1, Integer::sum);
            bank.audit().threw(call, thrown);
            return;
        }
        bank.audit().acknowledged(call, attempt);
    }

    private static Isolation isolation(SplittableRandom chance) {
        return switch (chance.nextInt(4)) {
            case 0 -> Isolation.REPEATABLE_READ;
            case 1 -> Isolation.SERIALIZABLE;
            default -> Isolation.SESSION;
        };
    }

    /**
     * Begins no further call and waits for those that are under way.
     *
     * @throws IllegalStateException if one goes on far beyond its deadline
     */
    void end() {
        stopped = true;
        Await.until("the last calls to end", LONGEST_END, () -> threads.stream().noneMatch(Thread::isAlive));
    }

    /** What calls threw, with how often. */
    Map<String, Integer> failures() {
        return new TreeMap<>(failures);
    }
}
