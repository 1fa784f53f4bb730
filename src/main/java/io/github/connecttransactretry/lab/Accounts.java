package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.Transaction;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;

/**
 * Accounts with money on them, and the audit's table, in a schema of the scenario's own, with a role that may do what the
 * transfers do and nothing else. Safe from any thread.
 */
final class Accounts {

    /** The role that the clients are: it owns nothing and may not even read the audit's table. */
    static final String ROLE = "lab_client";
    static final String PASSWORD = "lab-client";

    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int MONEY_EACH = 1000;

    private final Stage stage;
    private final CommitSchema library;
    private final String table;
    private final Audit audit;

    private Accounts(Stage stage, CommitSchema library, String table, Audit audit) {
        this.stage = stage;
        this.library = library;
        this.table = table;
        this.audit = audit;
    }

    /** Makes a schema of that name with accounts, the audit's table and the library's own tables. */
    static Accounts create(Stage stage, String schema, int accounts) throws SQLException {
        CommitSchema library = new CommitSchema(schema);
        String table = schema + ".account";
        try (Connection direct = stage.direct(); Statement statement = direct.createStatement()) {
            statement.execute("DO $$ BEGIN CREATE ROLE " + ROLE + " LOGIN PASSWORD '" + PASSWORD + "'; EXCEPTION WHEN"
                    + " duplicate_object THEN NULL; END $$");
            statement.execute(library.ddl());
            statement.execute("CREATE TABLE " + table + " (id int PRIMARY KEY, balance bigint NOT NULL)");
            statement.execute("INSERT INTO " + table + " SELECT i, " + MONEY_EACH + " FROM generate_series(1, " + accounts + ") i");
            Audit audit = Audit.create(direct, schema + ".effect");
            statement.execute(library.grants(ROLE));
            statement.execute("GRANT SELECT, UPDATE ON " + table + " TO " + ROLE);
            statement.execute("GRANT INSERT ON " + audit.table() + " TO " + ROLE);
            return new Accounts(stage, library, table, audit);
        }
    }

    CommitSchema library() {
        return library;
    }

    Audit audit() {
        return audit;
    }

    /** Takes or gives. */
    void move(Transaction tx, int id, int amount) throws SQLException {
        try (PreparedStatement update = tx.connection().prepareStatement(
                "UPDATE " + table + " SET balance = balance + ? WHERE id = ?")) {
            update.setInt(1, amount);
            update.setInt(2, id);
            if (update.executeUpdate() != 1) {
                throw new IllegalStateException("there is no account " + id);
            }
        }
    }

    /** Makes the server raise that error, and goes on as if nothing had happened. */
    static void swallow(Transaction tx, String sqlState) {
        try (Statement statement = tx.connection().createStatement()) {
            statement.execute("DO $$ BEGIN RAISE EXCEPTION 'to be swallowed' USING ERRCODE = '" + sqlState + "'; END $$");
        } catch (SQLException swallowed) {
            // This is the fault.
        }
    }

    /** Whether anybody can see an effect of that call; asked as often as it takes while the server is away. */
    boolean shows(String call) {
        boolean[] there = new boolean[1];
        Await.until("the server to be back", PATIENCE, () -> {
            there[0] = isThere(call);
            return true;
        });
        return there[0];
    }

    private boolean isThere(String call) throws SQLException {
        try (Connection direct = stage.direct(); PreparedStatement select = direct.prepareStatement(
                "SELECT count(*) FROM " + audit.table() + " WHERE call = ?")) {
            select.setString(1, call);
            try (ResultSet row = select.executeQuery()) {
                row.next();
                return row.getInt(1) > 0;
            }
        }
    }

    long money() throws SQLException {
        try (Connection direct = stage.direct(); Statement statement = direct.createStatement();
                ResultSet row = statement.executeQuery("SELECT sum(balance) FROM " + table)) {
            row.next();
            return row.getLong(1);
        }
    }
}
