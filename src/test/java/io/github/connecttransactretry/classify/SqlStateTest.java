package io.github.connecttransactretry.classify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.sql.BatchUpdateException;
import java.sql.SQLException;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The search for the SQLSTATE that explains a failure. */
class SqlStateTest {

    private static SQLException sql(String state) {
        return new SQLException("state " + state, state);
    }

    private static <T extends Throwable> T causedBy(T outer, Throwable cause) {
        outer.initCause(cause);
        return outer;
    }

    private static SQLException followedBy(SQLException first, SQLException next) {
        first.setNextException(next);
        return first;
    }

    private static String of(Throwable thrown) {
        return SqlState.of(thrown).orElse("none");
    }

    @Test
    void nothingCarriesNothing() {
        assertEquals("none", of(null));
        assertEquals("none", of(new IllegalStateException("own")));
        assertEquals("none", of(sql(null)));
        assertEquals("none", of(causedBy(sql(null), new RuntimeException(sql(null)))));
        assertEquals(Optional.empty(), SqlState.carrier(null));
    }

    @Test
    void theOutermostStateExplains() {
        assertEquals("40001", of(sql("40001")));
        assertEquals("40001", of(causedBy(sql("40001"), sql("08006"))));
        assertEquals("40001", of(followedBy(sql("40001"), sql("08006"))));
    }

    @Test
    void wrappersOfAnyKindAreLookedThrough() {
        SQLException inner = sql("40P01");
        assertEquals("40P01", of(new RuntimeException(new IllegalStateException(new Error(inner)))));
        assertEquals("40P01", of(causedBy(sql(null), inner)));
        assertEquals("40P01", of(followedBy(sql(null), inner)));
        assertEquals("40P01", of(followedBy(sql(null), causedBy(sql(null), inner))));
        assertSame(inner, SqlState.carrier(new RuntimeException(followedBy(sql(null), inner))).orElseThrow());
        assertEquals("23505", of(new BatchUpdateException("batch", "23505", 0, new int[0], inner)));
    }

    /** 25P02 only says that something failed before, and 2D000 is how the guard refuses a rollback() after a failure. */
    @Test
    void reportsOfAnEarlierErrorYieldToIt() {
        for (String report : new String[] {"25P02", "2D000"}) {
            assertEquals(report, of(sql(report)));
            assertEquals("40001", of(causedBy(sql(report), sql("40001"))));
            assertEquals("40001", of(followedBy(sql(report), sql("40001"))));
            assertEquals("23505", of(new RuntimeException(causedBy(sql(report), new RuntimeException(sql("23505"))))));
        }
        assertEquals("40001", of(causedBy(sql("2D000"), causedBy(sql("25P02"), sql("40001")))));
        assertEquals("2D000", of(causedBy(sql("2D000"), sql("25P02"))));
        assertEquals("25P02", of(causedBy(sql("25P02"), new RuntimeException("no state"))));
    }

    @Test
    void ringsEnd() {
        RuntimeException first = new RuntimeException("first");
        RuntimeException second = new RuntimeException("second", first);
        first.initCause(second);
        assertEquals("none", of(first));

        SQLException one = sql(null);
        SQLException two = sql(null);
        one.setNextException(two);
        two.setNextException(one);
        assertEquals("none", of(one));

        SQLException report = sql("25P02");
        SQLException other = causedBy(sql(null), report);
        report.initCause(other);
        assertEquals("25P02", of(report));
        assertEquals("25P02", of(new RuntimeException(other)));

        SQLException three = sql(null);
        three.setNextException(causedBy(sql("40001"), three));
        assertEquals("40001", of(three));
    }

    @Test
    void aLongChainIsNoRecursion() {
        Throwable chain = sql("40001");
        for (int depth = 0; depth < 100_000; depth++) {
            chain = new RuntimeException("deeper", chain);
        }
        assertEquals("40001", of(chain));
    }

    @ParameterizedTest
    @CsvSource({"08000,true", "08001,true", "08003,true", "08004,false", "08006,true", "08007,true", "08P01,true", "08S01,true",
        "57P01,true", "57P02,true", "57P03,true", "57P04,false", "57P05,true", "57014,false", "40001,false", "25P03,false",
        "'',false", ",false"})
    void connectionLoss(String sqlState, boolean expected) {
        assertEquals(expected, SqlState.isConnectionLoss(sqlState));
    }
}
