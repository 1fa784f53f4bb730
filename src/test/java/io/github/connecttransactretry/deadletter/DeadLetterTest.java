package io.github.connecttransactretry.deadletter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.json.JsonMapper;

/** A letter's parts, and its line, which another program's JSON has to agree with. */
class DeadLetterTest {

    private static final JsonMapper JACKSON = new JsonMapper();

    @Test
    void anyTextComesBackAndIsJsonToOthers() {
        long seed = System.nanoTime();
        System.out.println("DeadLetterTest seed " + seed);
        Random random = new Random(seed);
        for (int round = 0; round < 500; round++) {
            DeadLetter letter = new DeadLetter(UUID.randomUUID(), Instant.now(), Letters.awkward(random), "k" + Letters.awkward(random),
                    random.nextBoolean() ? null : Letters.awkward(random), "text", random.nextInt(), List.of("40001", "08006"),
                    "T", Letters.awkward(random), true, random.nextBoolean() ? null : Letters.awkward(random), Letters.awkward(random));
            String line = letter.toJson();
            assertTrue(line.chars().allMatch(c -> c >= ' ' && c <= '~'), line);
            assertEquals(letter, DeadLetter.parse(line));
            Map<String, String> read = JACKSON.readValue(line, new TypeReference<>() { });
            assertEquals(letter.payload(), read.get("payload"));
            assertEquals(letter.idempotencyKey(), read.get("idempotencyKey"));
            // As another program would write it: not ASCII, with spaces, with nulls.
            read.put("fingerprint", letter.fingerprint());
            String theirs = JACKSON.writerWithDefaultPrettyPrinter().writeValueAsString(read);
            assertEquals(letter, DeadLetter.parse(theirs), theirs);
        }
    }

    @Test
    void fieldsOfLaterVersionsArePassedOver() {
        DeadLetter letter = Letters.failed("p");
        assertEquals(letter, DeadLetter.parse(letter.toJson().replaceFirst("\\{", "{\"more\" : \"x\", \"none\":null,")));
    }

    /** Every line that a crash may leave. */
    @Test
    void everyPartOfALineIsRefused() {
        String line = Letters.keyed("pay \"10\"").toJson();
        for (int length = 0; length < line.length(); length++) {
            String cut = line.substring(0, length);
            IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, () -> DeadLetter.parse(cut), cut);
            assertFalse(refused.getMessage().contains("pay"), refused::getMessage);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"id\":\"x\"} more", "{\"id\":1}", "{\"a\":\"b\",}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}", "[]",
        "{\"a\":\"b\",\"a\":\"c\"}", "{'a':'b'}", "{}", "{\"a\":\"\t\"}"})
    void otherTextIsRefused(String text) {
        assertThrows(IllegalArgumentException.class, () -> DeadLetter.parse(text));
    }

    @Test
    void partsAreChecked() {
        assertTrue(assertThrows(NullPointerException.class, () -> DeadLetter.requirePayload(null)).getMessage().contains("payload is null"));
        for (String bad : List.of("a\0b", "\ud83d", "x\udc00", "y".repeat(DeadLetter.LONGEST_PAYLOAD + 1))) {
            assertTrue(assertThrows(IllegalArgumentException.class, () -> Letters.failed(bad)).getMessage().contains("payload"));
        }
        assertEquals(DeadLetter.LONGEST_PAYLOAD, Letters.failed("y".repeat(DeadLetter.LONGEST_PAYLOAD)).payload().length());
        assertThrows(IllegalArgumentException.class, () -> letter(false, "ctr1 end", ""));
        assertEquals("half ? and ?", letter(true, null, "half \ud83d and \0").said());
        assertEquals("", letter(true, null, "words").withoutSaid().said());
    }

    private static DeadLetter letter(boolean unknown, String evidence, String said) {
        return new DeadLetter(UUID.randomUUID(), Instant.now(), "", null, null, null, 0, List.of(), "T", said, unknown, evidence, "");
    }

    @Test
    void keyIsTheCallsOwnOrTheLetters() {
        assertEquals("key 7", Letters.keyed("7").takeUpKey());
        DeadLetter failed = Letters.failed("7");
        assertEquals("dead-letter " + failed.id(), failed.takeUpKey());
    }
}
