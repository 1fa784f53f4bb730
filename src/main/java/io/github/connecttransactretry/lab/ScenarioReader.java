package io.github.connecttransactretry.lab;

import io.github.connecttransactretry.lab.ScenarioFile.BadScenario;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/** Makes a scenario of JSON that the schema has let pass, and checks what a schema cannot say. */
final class ScenarioReader {

    /** The attributes that each toxic has, by Toxiproxy's documentation; the first must be there. */
    private static final Map<String, List<String>> ATTRIBUTES = Map.of(
            "latency", List.of("latency", "jitter"),
            "bandwidth", List.of("rate"),
            "slow_close", List.of("delay"),
            "timeout", List.of("timeout"),
            "reset_peer", List.of("timeout"),
            "slicer", List.of("average_size", "size_variation", "delay"),
            "limit_data", List.of("bytes"),
            Fault.Toxic.DOWN, List.of());

    private static final Set<Fault> OF_STANDBY = Set.of(Fault.Server.FAILOVER, Fault.Server.LAGGING_FAILOVER, Fault.Server.DEMOTION);

    private final String where;

    private ScenarioReader(String where) {
        this.where = where;
    }

    static Scenario scenario(String name, String where, JsonNode json) throws BadScenario {
        return new ScenarioReader(where).read(name, json);
    }

    private Scenario read(String name, JsonNode json) throws BadScenario {
        Scenario.StageKind stage = word(Scenario.StageKind.class, json.get("stage"));
        List<PlannedFault> faults = new ArrayList<>();
        for (JsonNode fault : json.get("faults")) {
            faults.add(fault(faults.size(), fault, stage));
        }
        return new Scenario(name, json.get("title").stringValue(), json.get("tells").stringValue(), stage, work(json.get("work")),
                faults, expectation(json.get("expect")));
    }

    private static Work work(JsonNode json) {
        Map<String, String> session = new HashMap<>();
        json.path("session").properties().forEach(setting -> session.put(setting.getKey(), setting.getValue().stringValue()));
        return new Work(json.get("threads").intValue(), json.get("calls").intValue(), json.path("accounts").asInt(1000),
                duration(json, "timeout", Duration.ofSeconds(30)), duration(json, "answerWithin", Duration.ZERO),
                json.path("serializable").asBoolean(false), session, json.path("asksPastFaults").asBoolean(false),
                json.path("looksWhenUnknown").asBoolean(false),
                json.path("swallows").asString(""));
    }

    private PlannedFault fault(int index, JsonNode json, Scenario.StageKind stage) throws BadScenario {
        JsonNode at = json.get("at");
        Moment moment = new Moment(word(Moment.Point.class, at.get("point")), at.path("every").asInt(0),
                duration(at, "after", Duration.ZERO));
        String place = where + " at /faults/" + index + ": ";
        Fault what;
        if (json.has("toxic")) {
            what = toxic(place, json);
        } else {
            what = word(Fault.Server.class, json.get("server"));
            checkServer(place, what, moment, stage);
        }
        Duration lasts = duration(json, "lasts", Duration.ZERO);
        if (what instanceof Fault.Toxic && lasts.isZero() && moment.point() != Moment.Point.OPENING) {
            throw new BadScenario(place + "a toxic that lasts 0 s meets nothing: say \"lasts\", or let it begin at \"opening\"");
        }
        JsonNode repeat = json.path("repeat");
        return new PlannedFault(what, moment, lasts, repeat.path("times").asInt(1), duration(repeat, "pause", Duration.ZERO));
    }

    private static Fault.Toxic toxic(String place, JsonNode json) throws BadScenario {
        String type = json.get("toxic").stringValue();
        List<String> known = ATTRIBUTES.get(type);
        Map<String, Long> attributes = new HashMap<>();
        json.path("attributes").properties().forEach(given -> attributes.put(given.getKey(), given.getValue().longValue()));
        for (String given : attributes.keySet()) {
            if (!known.contains(given)) {
                throw new BadScenario(place + "the toxic " + type + " has no attribute " + given + "; it has " + known);
            }
        }
        if (!known.isEmpty() && !attributes.containsKey(known.get(0))) {
            throw new BadScenario(place + "the toxic " + type + " needs the attribute " + known.get(0));
        }
        if (!known.isEmpty() && !json.has("direction")) {
            throw new BadScenario(place + "the toxic " + type + " needs a direction, upstream or downstream");
        }
        boolean upstream = json.path("direction").asString("").equals("upstream");
        return new Fault.Toxic(type, upstream, attributes, (float) json.path("toxicity").asDouble(1));
    }

    private static void checkServer(String place, Fault what, Moment moment, Scenario.StageKind stage) throws BadScenario {
        if (OF_STANDBY.contains(what) && !stage.hasStandby()) {
            throw new BadScenario(place + what + " needs a stage with a standby");
        }
        if (what == Fault.Server.RESTART_POOLER && stage != Scenario.StageKind.PGBOUNCER) {
            throw new BadScenario(place + what + " needs the stage pgbouncer");
        }
        if (moment.point() == Moment.Point.OPENING) {
            throw new BadScenario(place + what + " cannot begin at the opening, where there is no work yet: say another point");
        }
    }

    private static Expectation expectation(JsonNode json) {
        return new Expectation(json.path("inDoubt").asInt(0), json.path("committed").asInt(0), json.path("notCommitted").asInt(0),
                json.path("retries").asInt(0), json.path("failed").asInt(0), json.path("unknown").asInt(0),
                json.path("unknownByStatusAlone").asBoolean(false), json.path("discards").asBoolean(false),
                duration(json, "everyCallTakes", Duration.ZERO), duration(json, "someCallTakes", Duration.ZERO));
    }

    private static <E extends Enum<E>> E word(Class<E> kind, JsonNode word) {
        return Enum.valueOf(kind, word.stringValue().toUpperCase(Locale.ROOT).replace('-', '_'));
    }

    private static Duration duration(JsonNode of, String name, Duration otherwise) {
        if (!of.has(name)) {
            return otherwise;
        }
        String[] parts = of.get(name).stringValue().split(" ");
        long amount = Long.parseLong(parts[0]);
        return switch (parts[1]) {
            case "ms" -> Duration.ofMillis(amount);
            case "s" -> Duration.ofSeconds(amount);
            default -> Duration.ofMinutes(amount);
        };
    }
}
