package io.github.connecttransactretry.lab;

import com.networknt.schema.Error;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads scenario files, and says of a bad one where it is bad. The schema {@code toxiproxy/scenario.schema.json} decides what
 * may stand in one; what a schema cannot say is checked after it. Stateless.
 */
public final class ScenarioFile {

    /** The end of the name of such a file. */
    public static final String ENDING = ".json";

    private static final JsonMapper JSON = JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();
    private static final Schema SCHEMA = schema();

    private ScenarioFile() {
    }

    /**
     * A file that is no scenario. The message names the file, the place in it and what may stand there.
     */
    public static final class BadScenario extends Exception {

        private static final long serialVersionUID = 1L;

        BadScenario(String message) {
            super(message);
        }
    }

    /**
     * Reads one.
     *
     * @param file a JSON file
     * @return the scenario, named as the file
     * @throws BadScenario if there is no such file, if it is not JSON or not a scenario
     */
    public static Scenario read(Path file) throws BadScenario {
        String text;
        try {
            text = Files.readString(file);
        } catch (NoSuchFileException none) {
            throw new BadScenario("there is no scenario file " + file);
        } catch (IOException unreadable) {
            throw new BadScenario("the scenario file " + file + " cannot be read: " + unreadable);
        }
        return parse(file.getFileName().toString().replaceFirst("\\.json$", ""), file.toString(), text);
    }

    /**
     * Reads all scenario files of a folder.
     *
     * @param folder with at least one
     * @return in the order of their names
     * @throws BadScenario if one of them is no scenario, or there is none
     */
    public static List<Scenario> readAll(Path folder) throws BadScenario {
        List<Path> files;
        try (Stream<Path> all = Files.list(folder)) {
            files = all.filter(file -> file.toString().endsWith(ENDING)).sorted().toList();
        } catch (IOException unreadable) {
            throw new BadScenario("the folder " + folder + " cannot be read: " + unreadable);
        }
        if (files.isEmpty()) {
            throw new BadScenario("there is no scenario file (*" + ENDING + ") in " + folder);
        }
        Stream.Builder<Scenario> scenarios = Stream.builder();
        for (Path file : files) {
            scenarios.add(read(file));
        }
        return scenarios.build().toList();
    }

    static Scenario parse(String name, String where, String text) throws BadScenario {
        JsonNode json;
        try {
            json = JSON.readTree(text);
        } catch (JacksonException broken) {
            throw new BadScenario(where + " is not JSON: " + broken.getOriginalMessage() + " (line "
                    + broken.getLocation().getLineNr() + ", column " + broken.getLocation().getColumnNr() + ")");
        }
        List<Error> errors = SCHEMA.validate(json);
        if (!errors.isEmpty()) {
            throw new BadScenario(where + " is no scenario, by toxiproxy/scenario.schema.json:" + errors.stream()
                    .map(error -> "\n  " + place(error) + ": " + error.getMessage()).distinct().collect(Collectors.joining()));
        }
        return ScenarioReader.scenario(name, where, json);
    }

    private static String place(Error error) {
        String at = error.getInstanceLocation().toString();
        return at.isEmpty() ? "the whole" : at;
    }

    private static Schema schema() {
        try (InputStream in = ScenarioFile.class.getResourceAsStream("scenario.schema.json")) {
            if (in == null) {
                throw new IllegalStateException("scenario.schema.json is not on the class path beside " + ScenarioFile.class
                        + ": build with Maven, which puts it there");
            }
            return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12).getSchema(in);
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }
}
