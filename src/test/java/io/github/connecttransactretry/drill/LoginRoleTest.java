package io.github.connecttransactretry.drill;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The role that is let in and may do next to nothing. */
@Tag("matrix")
class LoginRoleTest {

    private static PostgresServer server;

    @BeforeAll
    static void launch() throws SQLException {
        server = PostgresServer.launch();
        server.createLoginRole("app");
    }

    @AfterAll
    static void close() {
        server.close();
    }

    @Test
    void hasASchemaOfItsOwnAndNoAttributeButLogin() throws SQLException {
        try (Connection connection = asApp(); Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE mine (n int)");
            assertEquals("app", Sql.value(connection, "SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'mine'"));
            assertEquals("true", Sql.value(connection, "SELECT (rolcanlogin AND NOT rolsuper AND NOT rolcreatedb AND NOT rolcreaterole"
                    + " AND NOT rolreplication AND NOT rolbypassrls)::text FROM pg_roles WHERE rolname = current_user"));
            assertEquals("0", Sql.value(connection, "SELECT count(*)::text FROM pg_auth_members WHERE member = current_user::regrole"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"CREATE TABLE public.other (n int)", "SELECT * FROM pg_authid", "CREATE SCHEMA another",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        "CHECKPOINT", "ALTER ROLE app SUPERUSER", "COPY (SELECT 1) TO '/dev/null'"})
    void isRefusedTheRest(String sql) throws SQLException {
        try (Connection superuser = server.connect(); Connection connection = asApp(); Statement statement = connection.createStatement()) {
            assertEquals("1", Sql.value(superuser, "SELECT 1::text"));
            assertEquals("42501", assertThrows(SQLException.class, () -> statement.execute(sql)).getSQLState());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "App", "a\"b", "1a", "a b"})
    void nameThatWouldNeedQuotesIsRefused(String name) {
        assertThrows(IllegalArgumentException.class, () -> server.createLoginRole(name));
    }

    private static Connection asApp() throws SQLException {
        return DriverManager.getConnection(server.jdbcUrl(), "app", "");
    }
}
