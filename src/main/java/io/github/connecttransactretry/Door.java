package io.github.connecttransactretry;

import io.github.connecttransactretry.ground.Deadline;
import java.sql.SQLTimeoutException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Lets no more calls to the pool at once than it was told, in order of arrival. Thread-safe. */
final class Door {

    private final Semaphore places;

    Door(int places) {
        this.places = new Semaphore(places, true);
    }

    void enter(Deadline deadline) throws SQLTimeoutException, InterruptedException {
        if (!places.tryAcquire(deadline.remaining().toNanos(), TimeUnit.NANOSECONDS)) {
            throw new SQLTimeoutException("no place in front of the pool came free within the call's deadline");
        }
    }

    void leave() {
        places.release();
    }
}
