package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.AuditReport;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.chaos.OtherBackends;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.io.PrintStream;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;

/** One drill on one server, from the making of the tables to the verdict. For one thread. */
final class DrillRun {

    private static final Duration LONGEST_QUIET = Duration.ofSeconds(30);

    // More than calls can be under way.
    private static final int STRANGERS = 200;

    private final DrillOptions options;
    private final DrillServer server;
    private final PrintStream out;
    private final DoubtBook book = new DoubtBook();
    private final CrashDoor door = new CrashDoor(book);
    private final WireFaults faults;
    private Set<String> excused = Set.of();
    private String crash = "";

    DrillRun(DrillOptions options, DrillServer server, PrintStream out) {
        this.options = options;
        this.server = server;
        this.out = out;
        this.faults = new WireFaults(options.seed(), door);
    }

    /** Lets a test tamper with the database between the last transfer and the audit. */
    interface Tampering {
        void with(Connection connection, Audit audit) throws SQLException;
    }

    /** Everything but the verdict's own line is told by then. */
    Verdict run(Tampering tampering) throws SQLException {
        Bank bank;
        long before;
        try (Connection connection = server.direct()) {
            bank = Bank.create(connection, server);
            before = bank.money(connection);
        }
        server.proxy().ifPresent(proxy -> proxy.script(faults));
        transfer(bank);
        try (Connection connection = server.direct()) {
            OtherBackends old = OtherBackends.ofApplication(connection, server.applicationName());
            old.end();
            old.awaitNone(LONGEST_QUIET);
            tampering.with(connection, bank.audit());
            Verdict verdict = new Verdict(bank.audit().read(connection), book.counts(), excused, before, bank.money(connection));
            tell(verdict);
            return verdict;
        }
    }

    private void transfer(Bank bank) throws SQLException {
        SplittableRandom chance = new SplittableRandom(options.seed());
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(server::transfers)
                .schema(new CommitSchema(server.schema())).outcome(options.outcome()).listener(book).build()) {
            Transfers transfers = new Transfers(bank, executor);
            Disturbances disturbances = new Disturbances(server, chance.split());
            try (ProgressLine progress = new ProgressLine(out, book); disturbances) {
                long begun = System.nanoTime();
                transfers.begin(options.threads(), chance.split());
                crashAtHalfTime(begun, progress);
                awaitTime("the transfers' time to be over", begun, Duration.ofSeconds(options.seconds()));
                progress.state("ending");
                faults.stop();
                transfers.end();
                progress.state("");
            }
            disturbances.deliverRest();
            tell(transfers, disturbances);
        }
    }

    private void crashAtHalfTime(long begun, ProgressLine progress) throws SQLException {
        if (!server.mayCrash()) {
            return;
        }
        awaitTime("half of the time to be over", begun, Duration.ofSeconds(options.seconds()).dividedBy(2));
        progress.state("crashing");
        Set<String> doubtful = door.crash(Math.max(1, options.threads() / 2), server::crash);
        excused = options.mayStayUnknown() ? doubtful : Set.of();
        long killed = System.nanoTime();
        server.restart();
        long answered = System.nanoTime();
        beStrangers();
        door.letQuestionsPass();
        progress.state("");
        crash = "crash: ordered with " + doubtful.size() + " calls that had evidence and no proof; the server answered again"
                + " after " + Duration.ofNanos(answered - killed).toMillis() + " ms";
    }

    /** Commits under the ids that the crash has made free again, as other clients of the server would. */
    private void beStrangers() throws SQLException {
        try (Connection connection = server.direct(); Statement statement = connection.createStatement()) {
            for (int number = 0; number < STRANGERS; number++) {
                statement.execute("SELECT pg_current_xact_id()");
            }
        }
    }

    private static void awaitTime(String what, long begun, Duration after) {
        Await.until(what, after.plusSeconds(60), () -> System.nanoTime() - begun >= after.toNanos());
    }

    private void tell(Transfers transfers, Disturbances disturbances) {
        out.println("faults: " + listed(faults.done()) + (faults.done().isEmpty() ? "" : ", ") + disturbances);
        if (!crash.isEmpty()) {
            out.println(crash);
        }
        if (!transfers.failures().isEmpty()) {
            out.println("calls that threw: " + listed(transfers.failures()));
        }
    }

    private static String listed(Map<?, Integer> counts) {
        return counts.entrySet().stream().map(count -> count.getKey() + " " + count.getValue()).collect(Collectors.joining(", "));
    }

    private void tell(Verdict verdict) {
        AuditReport audit = verdict.audit();
        audit.doubledCalls().forEach(call -> out.println("doubled: " + call));
        audit.lostCalls().forEach(call -> out.println("lost: " + call));
        audit.wrongCalls().forEach(call -> out.println("wrong: " + call));
        audit.unknown().forEach(unknown -> out.println((verdict.excused().contains(unknown.call()) ? "unknown, in doubt at the crash: "
                : "unknown, not in doubt at any crash: ") + unknown));
        out.println("money: " + verdict.moneyBefore() + " before, " + verdict.moneyAfter() + " after");
        if (verdict.counts().inDoubt() == 0) {
            out.println("no COMMIT was in doubt: this run has shown little");
        }
    }
}
