package io.github.connecttransactretry;

/** How many calls are under way, so that the engine's threads end with the last one after {@code close}. Thread-safe. */
final class CallCount {

    private final EngineThreads threads;
    private int underWay;
    private boolean closed;

    CallCount(EngineThreads threads) {
        this.threads = threads;
    }

    synchronized void begin() {
        if (closed) {
            throw new IllegalStateException("the engine is closed: build a new one");
        }
        underWay++;
    }

    synchronized void end() {
        underWay--;
        shutdownIfDone();
    }

    synchronized void close() {
        closed = true;
        shutdownIfDone();
    }

    private void shutdownIfDone() {
        if (closed && underWay == 0) {
            threads.shutdown();
        }
    }
}
