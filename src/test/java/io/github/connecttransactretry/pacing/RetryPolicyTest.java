package io.github.connecttransactretry.pacing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RetryPolicyTest {

    private static final RetryPolicy DEFAULTS = RetryPolicy.defaults();

    /** The shortest and the longest delay before the first four repetitions, and the ones far out, in milliseconds. */
    @ParameterizedTest
    @CsvSource({
        "CONFLICT, 0 0 0 0 0,           2 4 8 16 100",
        "OUTAGE,   25 50 100 200 500,   50 100 200 400 1000",
        "OVERLOAD, 500 1000 2000 4000 5000, 1000 2000 4000 8000 10000"})
    void theDefaultCurvesAreAsDocumented(Pace pace, String shortest, String longest) {
        assertEquals(shortest, delays(pace, 0));
        assertEquals(longest, delays(pace, Math.nextDown(1.0)));
    }

    private static String delays(Pace pace, double chance) {
        List<String> millis = new ArrayList<>();
        for (int repeat : new int[] {1, 2, 3, 4, 40}) {
            Duration delay = DEFAULTS.curve(pace).delay(repeat, Duration.ZERO, () -> chance);
            millis.add(Long.toString(Math.round(delay.toNanos() / 1e6)));
        }
        return String.join(" ", millis);
    }

    @Test
    void theDefaultLimitsAreAsDocumented() {
        assertEquals(RetryPolicy.UNLIMITED, DEFAULTS.maxAttempts());
        assertEquals(2, DEFAULTS.maxBodyLosses());
        assertEquals(2, DEFAULTS.maxDoubtful());
    }

    @Test
    void everyPaceHasItsOwnCurveAndEachChangeKeepsTheRest() {
        Backoff conflict = Backoff.fixed(Duration.ofMillis(1));
        Backoff outage = Backoff.fixed(Duration.ofMillis(2));
        Backoff overload = Backoff.fixed(Duration.ofMillis(3));
        RetryPolicy policy = new RetryPolicy(7, 5, 3, conflict, outage, overload);
        assertSame(conflict, policy.curve(Pace.CONFLICT));
        assertSame(outage, policy.curve(Pace.OUTAGE));
        assertSame(overload, policy.curve(Pace.OVERLOAD));
        assertEquals(3, Pace.values().length, "a new pace has to be entered here");
        assertEquals(policy, policy.withMaxAttempts(9).withMaxAttempts(7));
        assertEquals(new RetryPolicy(9, 5, 3, conflict, outage, overload), policy.withMaxAttempts(9));
        assertEquals(new RetryPolicy(7, 0, 3, conflict, outage, overload), policy.withMaxBodyLosses(0));
        assertEquals(new RetryPolicy(7, 5, 3, overload, outage, overload), policy.withConflictBackoff(overload));
        assertEquals(new RetryPolicy(7, 5, 3, conflict, conflict, overload), policy.withOutageBackoff(conflict));
        assertEquals(new RetryPolicy(7, 5, 3, conflict, outage, outage), policy.withOverloadBackoff(outage));
    }
}
