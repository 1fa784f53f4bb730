package io.github.connecttransactretry.lab;

import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Duration;
import java.util.Properties;
import java.util.function.Supplier;
import java.util.logging.Logger;
import javax.sql.DataSource;

/** The clients' connections: to a scenario's address, as its role. Safe from any thread. */
final class ClientSource implements DataSource {

    private final Supplier<String> url;
    private final Properties properties = new Properties();
    private final Duration answerWithin;

    ClientSource(Supplier<String> url, String user, String password, Duration answerWithin) {
        this.url = url;
        this.answerWithin = answerWithin;
        properties.setProperty("user", user);
        properties.setProperty("password", password);
        properties.setProperty("ApplicationName", "lab");
        // A handshake may fall into a black hole as well, and pgjdbc would wait for ever.
        properties.setProperty("loginTimeout", "2");
    }

    @Override
    public Connection getConnection() throws SQLException {
        Connection connection = DriverManager.getConnection(url.get(), properties);
        if (!answerWithin.isZero()) {
            // pgjdbc's own property, socketTimeout, knows whole seconds only.
            connection.setNetworkTimeout(Runnable::run, (int) answerWithin.toMillis());
        }
        return connection;
    }

    @Override
    public Connection getConnection(String username, String password) throws SQLException {
        throw new SQLFeatureNotSupportedException("the clients are one role only");
    }

    @Override
    public PrintWriter getLogWriter() {
        return null;
    }

    @Override
    public void setLogWriter(PrintWriter out) {
        // Nothing is written.
    }

    @Override
    public void setLoginTimeout(int seconds) {
        // Said in the properties.
    }

    @Override
    public int getLoginTimeout() {
        return 2;
    }

    @Override
    public Logger getParentLogger() throws SQLFeatureNotSupportedException {
        throw new SQLFeatureNotSupportedException("nothing is logged");
    }

    @Override
    public <T> T unwrap(Class<T> kind) throws SQLException {
        throw new SQLException("this wraps nothing");
    }

    @Override
    public boolean isWrapperFor(Class<?> kind) {
        return false;
    }
}
