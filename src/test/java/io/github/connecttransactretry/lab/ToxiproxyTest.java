package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.github.connecttransactretry.chaos.Await;
import io.github.connecttransactretry.lab.Toxiproxy.NoToxiproxy;
import java.io.BufferedReader;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The server that is started here leaves with whoever started it. */
class ToxiproxyTest {

    private static final Duration BOUND = Duration.ofSeconds(60);

    @Test
    void closeEndsIt() throws Exception {
        Toxiproxy toxiproxy = obtain();
        int port = Toxiproxy.port(toxiproxy.proxyTo(1));
        new Socket(InetAddress.getLoopbackAddress(), port).close();

        toxiproxy.close();

        awaitRefusal(port);
        toxiproxy.close();
    }

    @Test
    void killingTheJvmEndsItToo() throws Exception {
        obtain().close();
        Process jvm = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), OtherJvm.class.getName())
                .redirectError(ProcessBuilder.Redirect.DISCARD).start();
        try (BufferedReader out = jvm.inputReader()) {
            int port = Integer.parseInt(out.readLine());
            new Socket(InetAddress.getLoopbackAddress(), port).close();

            jvm.destroyForcibly().waitFor();

            awaitRefusal(port);
        }
    }

    /** A program that starts a server and waits for its own end. */
    static final class OtherJvm {

        public static void main(String[] args) throws Exception {
            System.out.println(Toxiproxy.port(Toxiproxy.obtain(System.getenv(), System.err).proxyTo(1)));
            while (System.in.read() >= 0) {
                continue;
            }
        }
    }

    private static Toxiproxy obtain() {
        assumeTrue(System.getenv("TOXIPROXY_URL") == null, "TOXIPROXY_URL names a server that is not ours to end: unset it");
        try {
            return Toxiproxy.obtain(System.getenv(), System.out);
        } catch (NoToxiproxy none) {
            return abort(none.getMessage());
        }
    }

    private static void awaitRefusal(int port) {
        Await.until("the end of Toxiproxy", BOUND, () -> {
            try (Socket stillThere = new Socket(InetAddress.getLoopbackAddress(), port)) {
                return !stillThere.isConnected();
            } catch (ConnectException gone) {
                return true;
            }
        });
    }
}
