package io.github.connecttransactretry.lab;

import eu.rekawek.toxiproxy.Proxy;
import io.github.connecttransactretry.drill.WireProxy;
import java.io.IOException;
import java.net.URI;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.SplittableRandom;

/**
 * A stage with a {@link WireProxy} before its Toxiproxy: the clients' way leads through both. Its own faults are those of
 * {@link WireStorm}. Closing it leaves the stage behind it open.
 */
final class WiredStage implements Stage {

    private final Stage behind;
    private final WireProxy wire;
    private final WireStorm storm;

    private WiredStage(Stage behind, WireProxy wire, WireStorm storm) {
        this.behind = behind;
        this.wire = wire;
        this.storm = storm;
    }

    /** The wire is calm until {@link #storm()} begins. */
    static WiredStage before(Stage stage, SplittableRandom chance) {
        URI address = address(stage.jdbcUrl());
        WireProxy wire = WireProxy.to(address.getHost(), address.getPort());
        return new WiredStage(stage, wire, new WireStorm(wire, chance));
    }

    private static URI address(String jdbcUrl) {
        return URI.create(jdbcUrl.substring("jdbc:".length()));
    }

    WireStorm storm() {
        return storm;
    }

    @Override
    public String jdbcUrl() {
        String url = behind.jdbcUrl();
        return url.replace(address(url).getRawAuthority(), "127.0.0.1:" + wire.port());
    }

    @Override
    public void settle() {
        storm.end();
        behind.settle();
    }

    @Override
    public void close() {
        storm.abandon();
        wire.close();
    }

    @Override
    public String description() {
        return "a wire proxy before " + behind.description();
    }

    @Override
    public Proxy proxy() {
        return behind.proxy();
    }

    @Override
    public String quietJdbcUrl() {
        return behind.quietJdbcUrl();
    }

    @Override
    public Connection direct() throws SQLException {
        return behind.direct();
    }

    @Override
    public void stop() {
        behind.stop();
    }

    @Override
    public void crash() {
        behind.crash();
    }

    @Override
    public void start() {
        behind.start();
    }

    @Override
    public void killBackend(int pid) {
        behind.killBackend(pid);
    }

    @Override
    public void stopStandby() {
        behind.stopStandby();
    }

    @Override
    public void failOver() throws SQLException, IOException {
        behind.failOver();
    }

    @Override
    public void demote() throws SQLException {
        behind.demote();
    }

    @Override
    public void readdress() throws IOException {
        behind.readdress();
    }

    @Override
    public void stopPooler() {
        behind.stopPooler();
    }

    @Override
    public void startPooler() {
        behind.startPooler();
    }
}
