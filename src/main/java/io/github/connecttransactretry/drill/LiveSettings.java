package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.Await;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.regex.Pattern;

/** Changes the configuration of a running server. */
final class LiveSettings {

    private static final Pattern SETTING = Pattern.compile("[A-Za-z_][A-Za-z0-9_.]*");
    private static final Pattern USER = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
    private static final Pattern ROLE = Pattern.compile("[a-z_][a-z0-9_]*");
    private static final Duration BOUND = Duration.ofSeconds(30);

    private LiveSettings() {
    }

    static void alter(PostgresServer server, String name, String value) throws SQLException {
        if (!SETTING.matcher(name).matches()) {
            throw new IllegalArgumentException("\"" + name + "\" is no name of a parameter");
        }
        run(server, "ALTER SYSTEM SET " + name + " = " + literal(value));
        reload(server);
    }

    static void setPassword(PostgresServer server, String user, String password) throws SQLException {
        if (!USER.matcher(user).matches() || password.isEmpty()) {
            throw new IllegalArgumentException("a user needs a name of letters, digits and underscores, and a password"
                    + " that is not empty; the user was \"" + user + "\"");
        }
        boolean there = ask(server, "SELECT count(*) FROM pg_roles WHERE rolname = " + literal(user)).equals("1");
        run(server, (there ? "ALTER" : "CREATE") + " ROLE \"" + user + "\" LOGIN PASSWORD " + literal(password));
    }

    static void createLoginRole(PostgresServer server, String name) throws SQLException {
        if (!ROLE.matcher(name).matches()) {
            throw new IllegalArgumentException("a role needs a name of lower-case letters, digits and underscores, not \"" + name + "\"");
        }
        run(server, "CREATE ROLE \"" + name + "\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS");
        run(server, "CREATE SCHEMA \"" + name + "\" AUTHORIZATION \"" + name + "\"");
        // As it is by default from PostgreSQL 15 on.
        run(server, "REVOKE CREATE ON SCHEMA public FROM public");
    }

    /** Reloads the configuration files and waits until new sessions have them. */
    static void reload(PostgresServer server) throws SQLException {
        String query = "SELECT pg_conf_load_time()";
        String before = ask(server, query);
        ask(server, "SELECT pg_reload_conf()");
        // A new backend inherits what the postmaster has loaded, and the postmaster loads it some moments later.
        Await.until("the server to load its configuration", BOUND, () -> !ask(server, query).equals(before));
    }

    /** Asks for one value on a connection of its own. */
    static String ask(PostgresServer server, String query) throws SQLException {
        try (Connection connection = server.connect(); Statement sql = connection.createStatement();
                ResultSet row = sql.executeQuery(query)) {
            row.next();
            return row.getString(1);
        }
    }

    private static void run(PostgresServer server, String statement) throws SQLException {
        try (Connection connection = server.connect(); Statement sql = connection.createStatement()) {
            sql.execute(statement);
        }
    }

    static String literal(String text) {
        return "'" + text.replace("'", "''") + "'";
    }
}
