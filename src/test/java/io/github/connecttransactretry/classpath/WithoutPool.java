package io.github.connecttransactretry.classpath;

import io.github.connecttransactretry.ConnectTransactRetry;
import io.github.connecttransactretry.TransactionOptions;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.postgresql.ds.PGSimpleDataSource;

/** A program that has pgjdbc, but no HikariCP, and gives the engine a DataSource. */
final class WithoutPool {

    private WithoutPool() {
    }

    public static void main(String[] arguments) throws SQLException {
        Absent.require("com.zaxxer.hikari.HikariDataSource", "ch.qos.logback.classic.Logger");
        PGSimpleDataSource dataSource = new PGSimpleDataSource();
        dataSource.setUrl(arguments[0]);
        dataSource.setUser(arguments[1]);
        try (ConnectTransactRetry executor = ConnectTransactRetry.builder(dataSource).build()) {
            long value = executor.run(TransactionOptions.serializable(), tx -> {
                if (tx.attempt() == 1) {
                    throw new SQLException("go again", "40001");
                }
                try (Statement statement = tx.connection().createStatement();
                        ResultSet row = statement.executeQuery("INSERT INTO effect VALUES ('without a pool') RETURNING 42")) {
                    row.next();
                    return row.getLong(1);
                }
            });
            System.out.println("value: " + value);
        }
    }
}
