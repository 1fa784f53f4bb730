package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TransactionOptionsTest {

    private static final TransactionOptions DEFAULTS = TransactionOptions.defaults();
    private static final Instant NOON = Instant.parse("2026-01-01T12:00:00Z");

    @Test
    void theDefaultsAreTheSessionsOwnIsolationAndThirtySeconds() {
        assertEquals(new TransactionOptions(Isolation.SESSION, Access.READ_WRITE, false, Duration.ofSeconds(30), null, "", false, null,
                null, null),
                DEFAULTS);
    }

    @Test
    void theShortWaysDifferFromTheDefaultsInOneThing() {
        assertEquals(DEFAULTS.withIsolation(Isolation.READ_COMMITTED), TransactionOptions.readCommitted());
        assertEquals(DEFAULTS.withIsolation(Isolation.REPEATABLE_READ), TransactionOptions.repeatableRead());
        assertEquals(DEFAULTS.withIsolation(Isolation.SERIALIZABLE), TransactionOptions.serializable());
        assertEquals(DEFAULTS.withAccess(Access.READ_ONLY), TransactionOptions.readOnly());
    }

    /** Each changes its own part and keeps all others, whatever they were. */
    @Test
    void eachChangeKeepsTheRest() {
        TransactionOptions rich = new TransactionOptions(Isolation.SERIALIZABLE, Access.READ_ONLY, true, Duration.ofSeconds(7), null,
                "rich", true, null, null, null);
        List<Function<TransactionOptions, TransactionOptions>> same = List.of(
                o -> o.withIsolation(Isolation.SERIALIZABLE), o -> o.withAccess(Access.READ_ONLY), TransactionOptions::asDeferrable,
                o -> o.withTimeout(Duration.ofSeconds(7)), o -> o.withLabel("rich"), TransactionOptions::withEvidenceAtBegin,
                o -> o.withDeadline(NOON).withTimeout(Duration.ofSeconds(7)));
        for (Function<TransactionOptions, TransactionOptions> change : same) {
            assertEquals(rich, change.apply(rich));
        }
        assertEquals("other", rich.withLabel("other").label());
        assertEquals(rich, rich.withLabel("other").withLabel("rich"));
    }

    @Test
    void aDeadlineReplacesTheTimeoutAndTheOtherWayRound() {
        TransactionOptions until = DEFAULTS.withLabel("x").withDeadline(NOON);
        assertEquals(NOON, until.deadline());
        assertNull(until.timeout());
        TransactionOptions within = until.withTimeout(Duration.ofMillis(1));
        assertNull(within.deadline());
        assertEquals(Duration.ofMillis(1), within.timeout());
        assertEquals("x", within.label());
    }

    @Test
    void deferrableAsksForAllThatItNeeds() {
        TransactionOptions deferrable = TransactionOptions.readCommitted().asDeferrable();
        assertTrue(deferrable.deferrable());
        assertEquals(Isolation.SERIALIZABLE, deferrable.isolation());
        assertEquals(Access.READ_ONLY, deferrable.access());
    }

    @ParameterizedTest
    @EnumSource
    void everyIsolationSpellsItselfAsTheServerDoes(Isolation isolation) {
        assertEquals(isolation == Isolation.SESSION ? "" : isolation.name().replace('_', ' '), isolation.sql());
    }
}
