package io.github.connecttransactretry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.classify.Phase;
import io.github.connecttransactretry.drill.PostgresServer;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.observe.TransactionEvent.AttemptFailed;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeResolved;
import io.github.connecttransactretry.outcome.CommitOutcome.NotCommitted;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.OutcomeQuestion;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The timeline that has once answered for a call is the least that its attempts run on, whatever answers later. */
@Tag("matrix")
class LeastTimelineTest {

    private static final String NEW = "00000002";

    /** Two COMMITs in doubt; the second is answered for by somebody who speaks of the older timeline, or of none. */
    @ParameterizedTest
    @ValueSource(strings = {"00000001", ""})
    void laterAnswerOfAnOlderTimelineDoesNotLetTheOldPrimaryIn(String second) throws SQLException {
        try (FailoverScene scene = FailoverScene.open(false, 1)) {
            scene.addStandby();
            PostgresServer old = scene.primary();
            PostgresServer promoted = scene.standby();
            promoted.promote();
            scene.proxy().retarget(promoted.port());
            Iterator<WireAction> commits = List.of(WireAction.CUT_BEFORE, WireAction.CUT_BEFORE).iterator();
            scene.proxy().script(request -> request.isCommit() && commits.hasNext() ? commits.next() : WireAction.PASS);
            Chronicle chronicle = new Chronicle()
                    .onFirst(OutcomeResolved.class, resolved -> !resolved.outcome().equals(answer(NEW)),
                            resolved -> scene.proxy().retarget(old.port()))
                    .onFirst(AttemptFailed.class, failed -> failed.failure().phase() == Phase.CONNECT,
                            failed -> scene.proxy().retarget(promoted.port()));
            Ending ending;
            try (ConnectTransactRetry engine = ConnectTransactRetry.builder(() -> promoted.connect(scene.proxy().port()))
                    .resolvers(answering(NEW, second.isEmpty() ? null : second)).listener(chronicle).build()) {
                ending = scene.call(engine, TransactionOptions.defaults(), "call");
            }
            chronicle.requireActed();
            String refusal = chronicle.all(AttemptFailed.class).stream().map(AttemptFailed::failure)
                    .filter(failure -> failure.phase() == Phase.CONNECT).findFirst().orElseThrow().message();
            assertTrue(refusal.contains("older timeline"), refusal);
            assertEquals(Map.of(), scene.effects(old));
            assertEquals(List.of(ending.attempt()), scene.effects(promoted).get(ending.call()));
        }
    }

    private static CommitOutcomeResolver answering(String... timelines) {
        Iterator<String> next = Arrays.asList(timelines).iterator();
        return new CommitOutcomeResolver() {
            @Override
            public String name() {
                return "oracle";
            }

            @Override
            public NotCommitted resolve(OutcomeQuestion question) {
                return answer(next.next());
            }
        };
    }

    private static NotCommitted answer(String timeline) {
        return new NotCommitted("it was cut off before it came", timeline);
    }
}
