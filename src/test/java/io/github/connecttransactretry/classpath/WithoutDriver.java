package io.github.connecttransactretry.classpath;

import io.github.connecttransactretry.ConnectTransactRetry;
import java.sql.DriverManager;

/** A program that has this library and slf4j-api on its class path and nothing else. */
final class WithoutDriver {

    private WithoutDriver() {
    }

    public static void main(String[] arguments) {
        Absent.require("org.postgresql.Driver", "com.zaxxer.hikari.HikariDataSource", "ch.qos.logback.classic.Logger");
        try {
            ConnectTransactRetry.builder(() -> DriverManager.getConnection("jdbc:unknown")).build();
            System.out.println("built");
        } catch (IllegalStateException refused) {
            System.out.println("refused: " + refused.getMessage());
        }
    }
}
