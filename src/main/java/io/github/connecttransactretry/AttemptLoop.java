package io.github.connecttransactretry;

/** A call: attempts, each of them settled beyond doubt, until one is done or the journey ends. */
final class AttemptLoop {

    private final Engine engine;

    AttemptLoop(Engine engine) {
        this.engine = engine;
    }

    <T, X extends Exception> T run(Journey journey, TransactionalFunction<T, X> function) throws X {
        while (true) {
            engine.fencing().beforeAttempt(journey);
            journey.startAttempt();
            AttemptResult<T> result = engine.inquiry().settle(journey, new Attempt<>(journey, function, engine).run());
            journey.commitSettled();
            if (result instanceof AttemptResult.Done) {
                return ((AttemptResult.Done<T>) result).finish();
            }
            AttemptResult.NotCommitted<T> undone = (AttemptResult.NotCommitted<T>) result;
            undone.runHooks();
            if (undone.failed().keyTaken()) {
                journey.keyTaken(undone.failed());
            } else {
                journey.<X>pauseOrThrow(undone.failed());
            }
        }
    }
}
