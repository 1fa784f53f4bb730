package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.Transaction;
import io.github.connecttransactretry.chaos.Audit;
import io.github.connecttransactretry.ground.ServerText;
import io.github.connecttransactretry.outcome.CommitSchema;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** Accounts with money on them, in the drill's schema. Safe from any thread. */
final class Bank {

    static final int ACCOUNTS = 200;
    private static final int MONEY_EACH = 1000;

    private final String account;
    private final Audit audit;

    private Bank(String account, Audit audit) {
        this.account = account;
        this.audit = audit;
    }

    /** Makes schema, accounts, the audit's table and the library's own, and lets the transfers' role use them. */
    static Bank create(Connection connection, DrillServer server) throws SQLException {
        String schema = server.schema();
        String account = schema + ".account";
        try (Statement statement = connection.createStatement()) {
            CommitSchema library = new CommitSchema(schema);
            statement.execute(library.ddl());
            statement.execute("CREATE TABLE " + account + " (id int PRIMARY KEY, balance bigint NOT NULL)");
            statement.execute("INSERT INTO " + account + " SELECT i, " + MONEY_EACH + " FROM generate_series(1, " + ACCOUNTS + ") i");
            Audit audit = Audit.create(connection, schema + ".effect");
            String to = " TO " + ServerText.quoted(server.transferRole());
            statement.execute(library.grants(server.transferRole()));
            statement.execute("GRANT SELECT, UPDATE ON " + account + to);
            statement.execute("GRANT INSERT ON " + audit.table() + to);
            return new Bank(account, audit);
        }
    }

    Audit audit() {
        return audit;
    }

    /** One transfer; returns the attempt that made it. */
    int transfer(Transaction transaction, String call, int from, int to, int amount) throws SQLException {
        Connection connection = transaction.connection();
        move(connection, new CallMark(call, transaction.remaining().toMillis()).comment(), from, -amount);
        audit.append(connection, call, transaction.attempt());
        move(connection, "", to, amount);
        return transaction.attempt();
    }

    private void move(Connection connection, String mark, int id, int amount) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement(
                mark + "UPDATE " + account + " SET balance = balance + ? WHERE id = ?")) {
            update.setInt(1, amount);
            update.setInt(2, id);
            if (update.executeUpdate() != 1) {
                throw new IllegalStateException("there is no account " + id);
            }
        }
    }

    long money(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT sum(balance) FROM " + account)) {
            row.next();
            return row.getLong(1);
        }
    }
}
