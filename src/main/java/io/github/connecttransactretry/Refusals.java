package io.github.connecttransactretry;

import io.github.connecttransactretry.deadletter.DeadLetter;
import io.github.connecttransactretry.idempotency.IdempotencyKey;
import io.github.connecttransactretry.observe.AttemptFailure;
import io.github.connecttransactretry.outcome.LedgerTable;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;

/** The sentences with which the engine refuses what it cannot make safe. */
final class Refusals {

    private Refusals() {
    }

    static TransactionRefusedException of(String message) {
        return new TransactionRefusedException(message, null, List.of());
    }

    static void refuse(String message) {
        throw of(message);
    }

    static TransactionRefusedException foreignDriver(Connection connection) {
        return of("the connection is a " + connection.getClass().getName() + ", which no PostgreSQL driver known to the engine"
                + " made: give it connections of pgjdbc (org.postgresql), whose state it can read, directly or through a pool"
                + " that lets them be unwrapped");
    }

    static TransactionRefusedException openTransaction(Optional<String> hazard) {
        return of("the connection was handed out with a transaction open on it, which is an outer or a leaked one, and is not"
                + " joined: run the engine outside other transactions, on a pool that hands out idle connections"
                + hazard.map(cause -> ". " + cause).orElse(""));
    }

    static TransactionRefusedException spoiledPool(String why, Throwable thrownByPool) {
        return new TransactionRefusedException(why, thrownByPool, List.of());
    }

    static TransactionRefusedException endedBySql(Throwable thrownByFunction) {
        return new TransactionRefusedException("the function ended the transaction by SQL, so that what it did before may be"
                + " committed and what it did after ran outside: return to commit, throw or call rollbackOnly() to roll back",
                thrownByFunction, List.of());
    }

    static TransactionRefusedException stillRunning() {
        return of("the function returned while another thread was still using its connection, whose statement may yet fail and"
                + " make the COMMIT a rollback: wait for that thread before returning");
    }

    static TransactionRefusedException readOnlyIgnored() {
        return of("a read-only call needs a driver that sends READ ONLY to the server, and this connection has"
                + " readOnlyMode=ignore: remove that property from the JDBC URL");
    }

    static TransactionRefusedException ledgerMissing(String ledger, LedgerTable found) {
        String what = found.installed() ? "the role, or the ledger itself, lacks " + String.join(", ", found.lacking())
                : "it is not there";
        return of("the engine is to write the ledger " + ledger + ", and " + what + ": run schema.sql of this library, with its"
                + " GRANTs, or CommitSchema.install and CommitSchema.grant, or build the engine with another OutcomeMode");
    }

    static TransactionRefusedException watermarkHidden(String ledger) {
        return of("the watermark row of the ledger " + ledger + " is not to be seen: run schema.sql again if it is missing, and if"
                + " row security is on for that table, give the role a policy that shows it");
    }

    /** The row was refused for a reason of the ledger's own, or, at COMMIT, of a deferred trigger's. */
    static TransactionRefusedException rowRefused(String ledger, SQLException refused, List<AttemptFailure> failures) {
        return new TransactionRefusedException("the message to the ledger " + ledger + ", with which the call begins or commits,"
                + " was refused, and nothing is committed (" + AttemptFailure.firstLine(refused) + "): the role needs the GRANTs in"
                + " schema.sql of this library and a session that may write, so does a role that the function takes on by SET ROLE, and where row security is on for the"
                + " ledger's tables, a policy", refused, failures);
    }

    static TransactionRefusedException keyWithoutLedger(IdempotencyKey key) {
        return of("the call has the idempotency key " + key.key() + ", which lives in the ledger, and the engine writes none: build"
                + " it with outcome(OutcomeMode.LEDGER), or enable the ledger (CommitLedger.enable), which is seen at the next call");
    }

    static TransactionRefusedException keyHidden(IdempotencyKey key, String ledger, SQLException refused) {
        return new TransactionRefusedException("the ledger " + ledger + " refuses the idempotency key " + key.key() + " as taken,"
                + " and shows no row of it, so that nothing was done again and no result can be returned: where row security is on"
                + " for that table, give the role a policy that lets it see and update every row", refused, List.of());
    }

    static TransactionRefusedException notEncoded(IdempotencyKey key, RuntimeException refused) {
        return new TransactionRefusedException("the result of the call with the idempotency key " + key.key() + " could not be"
                + " encoded by the codec " + key.codec().name() + ", and nothing was committed (" + described(refused) + ")",
                refused, List.of());
    }

    static TransactionRefusedException notDecoded(IdempotencyKey key, RuntimeException unreadable) {
        return new TransactionRefusedException("the call with the idempotency key " + key.key() + " took effect before, and its"
                + " stored result cannot be read by the codec " + key.codec().name() + " (" + described(unreadable) + ")",
                unreadable, List.of());
    }

    private static String described(RuntimeException thrown) {
        return thrown instanceof ClassCastException ? "the function's type is not the codec's" : thrown.toString();
    }

    static IdempotencyConflictException keyOfAnotherCall(IdempotencyKey key, String what, String before, String now) {
        return new IdempotencyConflictException("the idempotency key " + key.key() + " was used before by a call with the " + what
                + " " + quoted(before) + ", and this call's is " + quoted(now) + ": give each piece of work a key of its own",
                List.of());
    }

    private static String quoted(String text) {
        return text == null ? "(none)" : '"' + text + '"';
    }

    static TransactionRefusedException nested() {
        return of("run was called inside a function that the same engine is running: pass the Transaction on instead, or call"
                + " from afterCommit what has to be a transaction of its own");
    }

    static TransactionRefusedException noDeadLetters() {
        return of("the call asks for a dead letter should it fail, and the engine has nowhere to put it: give the builder"
                + " deadLetters(...), or leave withDeadLetter(...) out");
    }

    static TransactionRefusedException notTakenUp(DeadLetter letter, String why) {
        return of("the dead letter " + letter.id() + " is about a call that may be committed after all, and is not taken up, which"
                + " could do its work twice: " + why + ". Look whether the work is done, and do it by hand if it is not");
    }

    static TransactionRefusedException rolledBack(DeadLetter letter) {
        return of("the work of the dead letter " + letter.id() + " called rollbackOnly(), so that nothing of it is done, and the"
                + " letter stays open: throw from the work to say why it cannot be done");
    }

    static TransactionRefusedException resultGone(DeadLetter letter) {
        return of("the call of the dead letter " + letter.id() + " is committed, and its result is no longer in the ledger");
    }
}
