package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assumptions.abort;

import io.github.connecttransactretry.lab.Scenario.StageKind;
import io.github.connecttransactretry.lab.Toxiproxy.NoToxiproxy;
import java.sql.SQLException;
import java.util.Optional;
import org.testcontainers.DockerClientFactory;

/**
 * The way to stages that this machine offers: containers where Docker is, else embedded servers with a Toxiproxy of this machine,
 * or with the one that {@code TOXIPROXY_URL} names. {@code -Dlab.road=docker|embedded} insists. For one thread. Close it.
 */
public final class Road implements AutoCloseable {

    private static final String INSISTED = System.getProperty("lab.road", "");

    private final String description;
    private final Toxiproxy toxiproxy;

    private Road(String description, Toxiproxy toxiproxy) {
        this.description = description;
        this.toxiproxy = toxiproxy;
    }

    /** Takes the road, and says which. Where there is none, the tests of the caller's class do not run, and say the mend. */
    public static Road take() {
        Road road = switch (INSISTED) {
            case "docker" -> docker();
            case "embedded" -> embedded();
            case "" -> DockerClientFactory.instance().isDockerAvailable() ? docker() : embedded();
            default -> throw new IllegalArgumentException("-Dlab.road=" + INSISTED + ": say docker or embedded, or nothing");
        };
        System.out.println("lab: " + road.description);
        return road;
    }

    private static Road docker() {
        if (!DockerClientFactory.instance().isDockerAvailable()) {
            throw new IllegalStateException("-Dlab.road=docker, and no Docker answers: start it, or leave the property out");
        }
        return new Road("road a, containers of Docker " + DockerClientFactory.instance().getInfo().getServerVersion(), null);
    }

    private static Road embedded() {
        try {
            Toxiproxy toxiproxy = Toxiproxy.obtain(System.getenv(), System.out);
            boolean given = System.getenv("TOXIPROXY_URL") != null;
            return new Road((given ? "road c" : "road b") + ", embedded PostgreSQL and " + toxiproxy.description(), toxiproxy);
        } catch (NoToxiproxy none) {
            if (INSISTED.isEmpty()) {
                return abort(none.getMessage());
            }
            throw new IllegalStateException(none.getMessage(), none);
        }
    }

    /** What keeps a stage of that kind from being opened here, with the mend; empty for nothing. */
    public Optional<String> obstacle(StageKind kind) {
        return EmbeddedStage.obstacle(kind);
    }

    /** Whether its Toxiproxy still runs, as far as can be seen. */
    boolean isAlive() {
        return toxiproxy == null || toxiproxy.isAlive();
    }

    /** A stage of that kind, to be closed by the caller. */
    public Stage open(StageKind kind) throws SQLException {
        return toxiproxy == null ? ContainerStage.open(kind) : EmbeddedStage.open(kind, toxiproxy);
    }

    @Override
    public String toString() {
        return description;
    }

    @Override
    public void close() {
        if (toxiproxy != null) {
            toxiproxy.close();
        }
    }
}
