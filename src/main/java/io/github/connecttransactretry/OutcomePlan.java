package io.github.connecttransactretry;

import io.github.connecttransactretry.outcome.CommitEvidence;
import io.github.connecttransactretry.outcome.CommitOutcomeResolver;
import io.github.connecttransactretry.outcome.LedgerResolver;
import io.github.connecttransactretry.outcome.ServerProfile;
import io.github.connecttransactretry.outcome.ServerSession;
import io.github.connecttransactretry.outcome.TransactionStatusResolver;
import io.github.connecttransactretry.outcome.VerificationResolver;
import java.util.ArrayList;
import java.util.List;

/**
 * How outcomes are found out: what each writing call leaves behind for that, and who is asked in which order. Immutable.
 *
 * @param mode   what the engine itself does
 * @param status asked where a transaction's id was taken
 * @param ledger asked where a token was written
 * @param then   asked after these, or instead of them with {@link OutcomeMode#NONE}
 */
record OutcomePlan(OutcomeMode mode, TransactionStatusResolver status, LedgerResolver ledger, List<CommitOutcomeResolver> then) {

    /** Whether every writing call leaves a row, on whatever connection. */
    private boolean demandsLedger() {
        return mode == OutcomeMode.LEDGER || mode == OutcomeMode.STATUS_THEN_LEDGER
                || then.stream().anyMatch(LedgerResolver.class::isInstance);
    }

    boolean writesLedger(ServerSession session) {
        return session.ledger() != null && (demandsLedger() || mode == OutcomeMode.AUTOMATIC && session.ledger().enabled());
    }

    /** Whether a call has to ask for its transaction's id; one that leaves a row can do without where there is none. */
    boolean takesTransactionId(ServerSession session, boolean keyed) {
        return wantsTransactionId(session, keyed) && (session.offersTransactionIds() || !writesLedger(session));
    }

    private boolean wantsTransactionId(ServerSession session, boolean keyed) {
        switch (mode) {
            case STATUS:
                return true;
            case STATUS_THEN_LEDGER:
                return !keyed || anotherNeedsIt();
            case AUTOMATIC:
                return !writesLedger(session) || anotherNeedsIt();
            default:
                return anotherNeedsIt();
        }
    }

    private boolean anotherNeedsIt() {
        return then.stream().anyMatch(CommitOutcomeResolver::needsTransactionId);
    }

    /** Whether anybody would be asked about a call's COMMIT in doubt. */
    boolean asks(TransactionOptions options) {
        return mode != OutcomeMode.NONE || !then.isEmpty() || options.verification() != null;
    }

    /** Whom to ask, in this order. */
    List<CommitOutcomeResolver> chain(CommitEvidence evidence, TransactionOptions options) {
        List<CommitOutcomeResolver> chain = new ArrayList<>();
        boolean hasToken = evidence.ledger() != null;
        if (mode == OutcomeMode.STATUS || mode == OutcomeMode.STATUS_THEN_LEDGER || mode == OutcomeMode.AUTOMATIC && !hasToken) {
            chain.add(status);
        }
        if (mode == OutcomeMode.LEDGER || mode == OutcomeMode.STATUS_THEN_LEDGER || mode == OutcomeMode.AUTOMATIC && hasToken) {
            chain.add(ledger);
        }
        chain.addAll(then);
        if (options.verification() != null) {
            chain.add(new VerificationResolver(options.verification()));
        }
        return chain;
    }

    /**
     * Checks that the server offers what the plan needs.
     *
     * @throws TransactionRefusedException if it does not
     */
    void requireServed(ServerProfile profile, ServerSession session, String ledgerName) {
        if (demandsLedger()) {
            if (!profile.ledger().isUsable()) {
                throw Refusals.ledgerMissing(ledgerName, profile.ledger());
            }
            if (session.ledger() == null) {
                throw Refusals.watermarkHidden(ledgerName);
            }
        }
        if (wantsTransactionId(session, false) && !writesLedger(session)) {
            profile.refusalOfTransactionIds().ifPresent(Refusals::refuse);
        }
    }
}
