package io.github.connecttransactretry.lab;

import eu.rekawek.toxiproxy.Proxy;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * Where a scenario is played: a real server, its standby if it has one, and a real Toxiproxy that is the clients' only way to
 * it. The roads to one differ (processes of this machine, or containers), the scenarios do not. Those methods that change a
 * server's life are called by one thread at a time; the rest are safe from any thread. Close it.
 */
public interface Stage extends AutoCloseable {

    /** Who {@link #direct()} is. */
    String SUPERUSER = "postgres";
    /** Of the superuser, where one is asked for. */
    String SUPERUSER_PASSWORD = "lab-superuser";

    /** What it consists of, with versions, in one line. */
    String description();

    /** The proxy that the clients' address is. */
    Proxy proxy();

    /** The clients' JDBC URL: by way of the proxy; with a {@code ?}, so that more can be appended with {@code &}. */
    String jdbcUrl();

    /** The JDBC URL of the same database past proxies and poolers, to the primary of this moment; with a {@code ?} too. */
    String quietJdbcUrl();

    /** As superuser to the present primary, past proxies and poolers. The database is the clients'. */
    Connection direct() throws SQLException;

    /** Stops the primary cleanly; clients are disconnected. */
    void stop();

    /** Kills all processes of the primary at once. */
    void crash();

    /** Starts the primary that was stopped or crashed; returns when it answers. */
    void start();

    /**
     * Kills one backend of the primary (SIGKILL), and returns when the server has recovered.
     *
     * @param pid as {@code pg_stat_activity} has it
     */
    void killBackend(int pid);

    /** Stops the standby: it misses what follows. */
    void stopStandby();

    /** Kills the primary, starts the standby if it is stopped, promotes it and puts it at the clients' address; afterwards there is no standby. */
    void failOver() throws SQLException, IOException;

    /** Stops the primary cleanly, promotes the standby and starts the old primary, as its standby, where it was. */
    void demote() throws SQLException;

    /** Lets the clients' address lead to the present primary, after {@link #demote()}. */
    void readdress() throws IOException;

    /** Stops the pooler; its clients are disconnected. */
    void stopPooler();

    /** Starts the pooler; returns when it answers. */
    void startPooler();

    /** The clients have gone: what is still on the way from them, in the stage's own hands, is delivered or dropped. */
    default void settle() {
        // Toxiproxy holds back nothing longer than its toxics last.
    }

    @Override
    void close();
}
