package io.github.connecttransactretry.examples;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

/** The same work on several threads at once. */
final class Together {

    /** What one of them does. */
    interface Work {
        void of(int number) throws Exception;
    }

    private Together() {
    }

    /**
     * Returns when all have ended.
     *
     * @throws ExecutionException if one of them threw
     */
    static void run(int threads, Work work) throws InterruptedException, ExecutionException {
        ExecutorService service = Executors.newFixedThreadPool(threads);
        try {
            List<Callable<Void>> all = IntStream.range(0, threads).<Callable<Void>>mapToObj(number -> () -> {
                work.of(number);
                return null;
            }).toList();
            for (Future<Void> one : service.invokeAll(all)) {
                one.get();
            }
        } finally {
            service.shutdownNow();
        }
    }
}
