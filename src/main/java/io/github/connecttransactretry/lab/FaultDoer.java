package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.chaos.OtherBackends;
import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;

/** Does faults to a stage. Server faults are for one thread at a time, toxics for any. */
final class FaultDoer {

    private final Stage stage;
    private final String clientRole;
    private final SplittableRandom chance;
    private final AtomicInteger names = new AtomicInteger();

    FaultDoer(Stage stage, String clientRole, SplittableRandom chance) {
        this.stage = stage;
        this.clientRole = clientRole;
        this.chance = chance;
    }

    /** What ends a fault; null where it had nobody to meet. */
    interface Ending {

        void end() throws IOException, SQLException;
    }

    Ending begin(Fault fault) throws IOException, SQLException {
        if (fault instanceof Fault.Toxic toxic) {
            return Toxics.add(stage.proxy(), "fault-" + names.incrementAndGet(), toxic)::end;
        }
        switch ((Fault.Server) fault) {
            case RESTART:
                stage.stop();
                return stage::start;
            case CRASH:
                stage.crash();
                return stage::start;
            case LAGGING_FAILOVER:
                stage.stopStandby();
                return stage::failOver;
            case RESTART_POOLER:
                stage.stopPooler();
                return stage::startPooler;
            case FAILOVER:
                stage.failOver();
                return () -> { };
            case DEMOTION:
                stage.demote();
                return stage::readdress;
            case KILL_BACKEND:
                return onBackend(pid -> stage.killBackend(pid));
            default:
                return onBackend(this::terminate);
        }
    }

    private interface OnBackend {

        void act(int pid) throws SQLException;
    }

    private Ending onBackend(OnBackend action) {
        try (Connection direct = stage.direct()) {
            List<Integer> pids = OtherBackends.ofRoles(direct, clientRole).pids();
            if (pids.isEmpty()) {
                return null;
            }
            action.act(pids.get(chance.nextInt(pids.size())));
            return () -> { };
        } catch (SQLException | IllegalArgumentException away) {
            // The server is away by another fault, or the backend has ended meanwhile.
            return null;
        }
    }

    private void terminate(int pid) throws SQLException {
        try (Connection direct = stage.direct();
                PreparedStatement end = direct.prepareStatement("SELECT pg_catalog.pg_terminate_backend(?)")) {
            end.setInt(1, pid);
            end.execute();
        }
    }
}
