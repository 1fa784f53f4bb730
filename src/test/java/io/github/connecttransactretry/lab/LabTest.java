package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The main job with {@code --scenario}: what it says, and its exit code. */
class LabTest {

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private int run(Map<String, String> environment, String... args) {
        return new Lab(new PrintStream(out, true), new PrintStream(err, true), environment).run(List.of(args));
    }

    private String out() {
        return out.toString(StandardCharsets.UTF_8);
    }

    private String err() {
        return err.toString(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "--scenario | --scenario needs a value",
        "--scenario x --speed 3 | --speed is no option beside --scenario",
        "--scenario x --seed fast | --seed fast: give a whole number",
        "--scenario x --outcome none | --outcome none: give status, ledger or status-then-ledger",
        "--scenario no-such | there is no scenario file no-such",
        "--scenario=no-such | there is no scenario file no-such",
        "--scenario=x --speed=3 | --speed is no option beside --scenario",
    })
    void badArgumentsAreNamed(String args, String said) {
        assertEquals(2, run(System.getenv(), args.split(" ")));
        assertTrue(err().startsWith("lab: " + said), err());
    }

    @Test
    void aToxiproxyThatDoesNotAnswerIsNamed() {
        assertEquals(2, run(Map.of("TOXIPROXY_URL", "http://127.0.0.1:1"), "--scenario", "slow-network"));
        assertTrue(err().startsWith("lab: no Toxiproxy answers at TOXIPROXY_URL=http://127.0.0.1:1"), err());
        assertTrue(err().contains("start one there, or unset it"), err());
    }

    @Test
    void aProgramThatIsNoneIsNamed() {
        assertEquals(2, run(Map.of("TOXIPROXY_SERVER", "/no/such/program"), "--scenario", "slow-network"));
        assertTrue(err().startsWith("lab: TOXIPROXY_SERVER=/no/such/program is no program."), err());
    }

    @Test
    void aProgramThatIsSomethingElseIsNamed(@TempDir Path folder) throws Exception {
        Path other = Files.writeString(folder.resolve("other"), "#!/bin/sh\nexit 3\n");
        assertTrue(other.toFile().setExecutable(true));
        assertEquals(2, run(Map.of("TOXIPROXY_SERVER", other.toString()), "--scenario", "slow-network"));
        assertTrue(err().contains("did not answer: is it toxiproxy-server?"), err());
    }

    @Test
    void withNothingToBuildItWithTheMendIsSaid(@TempDir Path folder) {
        assertEquals(2, run(Map.of("PATH", folder.toString(), "XDG_CACHE_HOME", folder.toString()), "--scenario", "slow-network"));
        assertTrue(err().contains("There is no Toxiproxy. Install toxiproxy-server"), err());
        assertTrue(err().contains("Go 1.23 or newer") && err().contains("TOXIPROXY_URL"), err());
    }

    @Test
    void aBuildThatFailsIsShown(@TempDir Path folder) throws Exception {
        Path go = Files.writeString(Files.createDirectories(folder.resolve("bin")).resolve("go"),
                "#!/bin/sh\necho \"cannot find module\"\nexit 1\n");
        assertTrue(go.toFile().setExecutable(true));
        assertEquals(2, run(Map.of("PATH", go.getParent().toString(), "XDG_CACHE_HOME", folder.toString()), "--scenario", "slow-network"));
        assertTrue(out().contains("building Toxiproxy"), out());
        assertTrue(err().contains("ended with exit code 1:") && err().contains("cannot find module"), err());
    }
}
