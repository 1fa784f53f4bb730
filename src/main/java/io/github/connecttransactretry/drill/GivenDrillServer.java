package io.github.connecttransactretry.drill;

import io.github.connecttransactretry.chaos.OtherBackends;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;
import java.util.Properties;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Somebody's server. It is not crashed; what the drill makes there is a schema of its own. */
final class GivenDrillServer implements DrillServer {

    private static final Pattern URL =
            Pattern.compile("jdbc:postgresql://(\\[[^\\]/]+\\]|[^:/,?\\[]+)(?::(\\d{1,5}))?/([^?/]*)(?:\\?(.*))?");
    private static final int DEFAULT_PORT = 5432;
    private static final int LAST_PORT = 65_535;

    // The server's limit on application_name is 63 bytes.
    private final String name = "ctr_drill_" + UUID.randomUUID().toString().replace("-", "");
    private final DrillOptions options;
    private final String place;
    private final WireProxy proxy;
    private final String transferUrl;
    private String version;

    private GivenDrillServer(DrillOptions options, Matcher url, boolean plaintext) {
        this.options = options;
        String host = url.group(1).replaceAll("[\\[\\]]", "");
        int port = port(url);
        this.place = host + ":" + port;
        this.proxy = plaintext ? WireProxy.to(host, port) : null;
        String parameters = url.group(4) == null || url.group(4).isEmpty() ? "" : "&" + url.group(4);
        this.transferUrl = plaintext ? "jdbc:postgresql://127.0.0.1:" + proxy.port() + "/" + url.group(3)
                + "?sslmode=disable&gssEncMode=disable" + parameters : options.url();
    }

    /**
     * Reaches the server, in plaintext through a proxy if it lets us, else directly.
     *
     * @throws DrillOptions.BadArguments if the URL cannot be used
     * @throws SQLException if the server cannot be reached, or refuses
     */
    static GivenDrillServer reach(DrillOptions options) throws DrillOptions.BadArguments, SQLException {
        Matcher url = URL.matcher(options.url());
        if (!url.matches() || port(url) < 1 || port(url) > LAST_PORT) {
            // The text itself may hold a password.
            throw new DrillOptions.BadArguments("--url is not of the form jdbc:postgresql://host:port/database, with one host");
        }
        String parameters = url.group(4) == null ? "" : url.group(4);
        if (parameters.matches("(.*&)?(user|password|ApplicationName)=.*")) {
            throw new DrillOptions.BadArguments("--url names the user, the password or the ApplicationName: give --user and"
                    + " PGPASSWORD instead, and leave the name to the drill");
        }
        boolean encryptionAsked = parameters.matches("(.*&)?(ssl|sslmode|gssEncMode)=.*");
        if (!encryptionAsked) {
            GivenDrillServer plaintext = new GivenDrillServer(options, url, true);
            try {
                plaintext.greet();
                return plaintext;
            } catch (SQLException refused) {
                plaintext.proxy.close();
            }
        }
        GivenDrillServer direct = new GivenDrillServer(options, url, false);
        direct.greet();
        return direct;
    }

    private static int port(Matcher url) {
        return url.group(2) == null ? DEFAULT_PORT : Integer.parseInt(url.group(2));
    }

    private void greet() throws SQLException {
        try (Connection connection = transfers()) {
            version = connection.getMetaData().getDatabaseProductVersion();
        }
    }

    @Override
    public String applicationName() {
        return name;
    }

    @Override
    public String schema() {
        return name;
    }

    @Override
    public String transferRole() {
        return options.user();
    }

    @Override
    public String description() {
        return "PostgreSQL " + version + " at " + place + ", schema " + name
                + (proxy == null ? "; not in plaintext, so that connections are cut by pg_terminate_backend alone" : "");
    }

    @Override
    public Optional<WireProxy> proxy() {
        return Optional.ofNullable(proxy);
    }

    @Override
    public Connection direct() throws SQLException {
        return connect(options.url(), "");
    }

    @Override
    public Connection transfers() throws SQLException {
        return connect(transferUrl, name);
    }

    private Connection connect(String url, String application) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", options.user());
        properties.setProperty("password", options.password());
        properties.setProperty("ApplicationName", application.isEmpty() ? name + "_main" : application);
        return DriverManager.getConnection(url, properties);
    }

    @Override
    public boolean mayCrash() {
        return false;
    }

    @Override
    public void crash() {
        throw new IllegalStateException("a given server is not the drill's to crash");
    }

    @Override
    public void restart() {
        throw new IllegalStateException("a given server is not the drill's to start");
    }

    @Override
    public void close() throws SQLException {
        if (proxy != null) {
            proxy.close();
        }
        try (Connection connection = direct(); Statement statement = connection.createStatement()) {
            OtherBackends.ofApplication(connection, name).end();
            statement.execute("DROP SCHEMA IF EXISTS " + name + " CASCADE");
        }
    }
}
