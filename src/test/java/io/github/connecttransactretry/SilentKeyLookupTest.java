package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A connection that is heard no more while a key is looked up: nothing is lost by asking on another one, but time. */
class SilentKeyLookupTest {

    private static CommitScene scene;

    @BeforeAll
    static void open() throws SQLException {
        scene = CommitScene.open();
        CommitSchema.standard().install(scene.dataSource());
    }

    @AfterAll
    static void close() {
        scene.close();
    }

    @ParameterizedTest
    @EnumSource(names = {"BLACK_HOLE_BEFORE", "BLACK_HOLE_AFTER"})
    void silenceInTheLookupLeavesTimeForAnotherConnection(WireAction silence) throws SQLException {
        TransactionOptions keyed = Keys.attempts("silent " + silence).withTimeout(Duration.ofSeconds(8));
        scene.script(WireScript.once(request -> request.mentions("SELECT label"), silence));
        Ending first = scene.call(scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER), keyed);
        first.returned(2);
        assertEquals(List.of(2), scene.effects(first));
        scene.script(WireScript.once(request -> request.mentions("SELECT label"), silence));
        Ending repeat = scene.call(scene.engine(new Chronicle()).outcome(OutcomeMode.LEDGER), keyed);
        repeat.returned(2);
        assertEquals(List.of(), scene.effects(repeat), "the stored result was found on another connection");
    }
}
