package io.github.connecttransactretry.deadletter;

import java.util.Objects;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes letters to the log, one line at ERROR each, with the whole letter but {@link DeadLetter#said} as JSON, which
 * {@link DeadLetter#parse} reads again. <b>The payload is in that line.</b> How safe the letter is then is the log's matter.
 * Thread-safe.
 */
public final class Slf4jDeadLetters implements DeadLetterSink {

    /** The logger's name. */
    public static final String LOGGER = "io.github.connecttransactretry.deadletter";

    private static final Logger LOG = LoggerFactory.getLogger(LOGGER);

    /** The sink; it keeps no state. */
    public Slf4jDeadLetters() {
    }

    @Override
    public void put(DeadLetter letter) {
        Objects.requireNonNull(letter, "letter is null: give the one to keep");
        LOG.atError()
                .addKeyValue("label", letter.label())
                .addKeyValue("letter", letter.id())
                .addKeyValue("attempts", letter.attempts())
                .addKeyValue("unknown", letter.unknown())
                .log("dead letter: {}", letter.withoutSaid().toJson());
    }
}
