package io.github.connecttransactretry;

import io.github.connecttransactretry.CommitScene.Ending;
import io.github.connecttransactretry.drill.WireAction;
import io.github.connecttransactretry.drill.WireRequest;
import io.github.connecttransactretry.drill.WireScript;
import io.github.connecttransactretry.fixtures.Pools;
import io.github.connecttransactretry.observe.TransactionEvent.OutcomeAsked;
import java.sql.SQLException;
import java.time.Duration;

/** How calls come to end in doubt that could be resolved later: the COMMIT's answer is lost, and there is nobody to be asked. */
final class Outage {

    private static final TransactionOptions SOON_OVER = TransactionOptions.defaults().withTimeout(Duration.ofSeconds(3));

    private Outage() {
    }

    /** The proxy lets nobody in any more, until the call's time is over. */
    static Ending ofTheProxy(CommitScene scene, ConnectTransactRetryBuilder engine, WireAction atCommit,
                             TransactionalAction<SQLException> more) {
        Chronicle outage = new Chronicle().onFirst(OutcomeAsked.class, asked -> scene.proxy().refuse(true));
        scene.script(WireScript.once(WireRequest::isCommit, atCommit));
        try {
            Ending ending = scene.call(engine.listener(outage), SOON_OVER, more);
            outage.requireActed();
            ending.unknown();
            return ending;
        } finally {
            scene.proxy().refuse(false);
        }
    }

    /** Questions are refused for good, so that the call ends at once. */
    static Ending ofTheQuestions(CommitScene scene, ConnectTransactRetryBuilder engine, WireAction atCommit) {
        scene.script(WireScript.once(WireRequest::isCommit, atCommit));
        Ending ending = scene.call(unasked(engine), TransactionOptions.defaults());
        ending.unknown();
        return ending;
    }

    /** The engine's questions and fences find no connection, and no other would be better. */
    static ConnectTransactRetryBuilder unasked(ConnectTransactRetryBuilder engine) {
        return engine.resolverDataSource(Pools.asDataSource(() -> {
            throw new SQLException("nobody is to be asked now", "28000");
        }));
    }
}
