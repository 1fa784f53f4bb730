package io.github.connecttransactretry.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** The files for those who start servers and Toxiproxy by hand agree with each other, and with what the tests start. */
class ComposeFileTest {

    private static final Path FOLDER = Path.of("toxiproxy");
    private static final Map<String, Map<String, Object>> SERVICES = services();

    @Test
    void thePartsAreThoseOfTheContainerStage() {
        assertEquals(Set.of("primary", "standby", "toxiproxy"), SERVICES.keySet());
        assertEquals(ContainerStage.POSTGRES_IMAGE, SERVICES.get("primary").get("image"));
        assertEquals(ContainerStage.POSTGRES_IMAGE, SERVICES.get("standby").get("image"));
        assertEquals(ContainerStage.TOXIPROXY_IMAGE, SERVICES.get("toxiproxy").get("image"));
        assertEquals(Map.of("POSTGRES_PASSWORD", Stage.SUPERUSER_PASSWORD), SERVICES.get("primary").get("environment"));
    }

    @Test
    void eachProxyIsPublishedOnLoopbackAndLeadsToAService() {
        Set<String> listening = new TreeSet<>(Set.of("127.0.0.1:8474:8474"));
        for (Map<String, Object> proxy : proxies("compose.json")) {
            String listen = (String) proxy.get("listen");
            assertTrue(listen.startsWith("0.0.0.0:"), "nobody outside the container reaches " + listen);
            String port = listen.substring(listen.indexOf(':') + 1);
            listening.add("127.0.0.1:" + port + ":" + port);
            String[] upstream = ((String) proxy.get("upstream")).split(":");
            assertTrue(SERVICES.get(upstream[0]).get("image").equals(ContainerStage.POSTGRES_IMAGE), upstream[0]);
            assertEquals("5432", upstream[1]);
        }
        assertEquals(listening, new TreeSet<>(list("toxiproxy", "ports")));
        assertTrue(Stream.of("primary", "standby").noneMatch(server -> SERVICES.get(server).containsKey("ports")),
                "the proxies are the only way");
    }

    @Test
    void theClientsAddressIsTheSameWithAndWithoutContainers() {
        assertEquals(List.of("127.0.0.1:15432"), proxies("toxiproxy.json").stream().map(proxy -> proxy.get("listen")).toList());
        Map<String, Object> clients = proxies("compose.json").get(0);
        assertEquals(Map.of("name", "postgresql", "listen", "0.0.0.0:15432", "upstream", "primary:5432", "enabled", true),
                clients);
        assertEquals("postgresql", proxies("toxiproxy.json").get(0).get("name"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"primary", "standby", "toxiproxy"})
    void filesThatAreMountedAreThere(String service) {
        Set<String> mounted = list(service, "volumes").stream().filter(volume -> volume.startsWith("./"))
                .map(volume -> volume.substring(2).split(":")[0]).collect(Collectors.toSet());
        assertEquals(service.equals("toxiproxy") ? Set.of("compose.json") : Set.of("pg_hba.conf"), mounted);
        assertTrue(mounted.stream().allMatch(file -> Files.isRegularFile(FOLDER.resolve(file))), mounted.toString());
        String target = list(service, "volumes").get(0).split(":")[1];
        assertTrue(list(service, "command").stream().anyMatch(word -> word.endsWith("=" + target)), "told to read " + target);
    }

    @Test
    void theReadmeNamesTheAddressesAndTheFiles() throws IOException {
        String text = Files.readString(FOLDER.resolve("README.md"));
        for (String part : List.of("127.0.0.1:15432/", "port 15433", "127.0.0.1:8474/proxies/postgresql", "toxiproxy.json",
                "compose.json", "pg_hba.conf", Stage.SUPERUSER_PASSWORD)) {
            assertTrue(text.contains(part), part);
        }
    }

    @SuppressWarnings("unchecked")
    private static List<String> list(String service, String member) {
        return (List<String>) SERVICES.get(service).get(member);
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> proxies(String file) {
        return (List<Map<String, Object>>) parse(file);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Map<String, Object>> services() {
        return ((Map<String, Map<String, Map<String, Object>>>) parse("compose.yaml")).get("services");
    }

    /** JSON is YAML too. */
    private static Object parse(String file) {
        try {
            return new Load(LoadSettings.builder().setLabel(file).build()).loadFromString(Files.readString(FOLDER.resolve(file)));
        } catch (IOException missing) {
            throw new IllegalStateException(missing);
        }
    }
}
