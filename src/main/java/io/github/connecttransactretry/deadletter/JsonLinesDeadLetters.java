package io.github.connecttransactretry.deadletter;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Letters in a file, one JSON object per line, only ever appended, and flushed to the disk before a writer goes on: for when the
 * database is away. Letters that come at once share a flush. Threads and processes may share a file; they take turns by a file
 * beside it, named like it with {@code .lock} behind.
 * Both are made readable by their owner alone where the file system can. Thread-safe.
 *
 * <p>No letter is marked as done: the ledger tells. Once all are done, the file may be moved away or deleted, by somebody who
 * knows that nobody is writing it.
 */
public final class JsonLinesDeadLetters implements DeadLetterBox {

    private static final Logger LOG = LoggerFactory.getLogger(JsonLinesDeadLetters.class);

    private final LetterFile file;

    /**
     * The letters of a file.
     *
     * @param file need not be there yet, its directory must, not null
     * @throws IllegalArgumentException if its directory is not there, or it is itself one
     */
    public JsonLinesDeadLetters(Path file) {
        Path absolute = Objects.requireNonNull(file, "file is null: give the path of a file for the letters").toAbsolutePath();
        try {
            this.file = new LetterFile(absolute.getParent().toRealPath().resolve(absolute.getFileName()));
        } catch (IOException | NullPointerException missing) {
            throw new IllegalArgumentException("the directory of " + absolute + " is not there: make it first", missing);
        }
        if (Files.isDirectory(this.file.path())) {
            throw new IllegalArgumentException(absolute + " is a directory: give the path of a file for the letters");
        }
    }

    /** Where the letters are, not null. */
    public Path file() {
        return file.path();
    }

    /**
     * Appends a letter and flushes it to the disk. An interrupt does not keep it from that.
     *
     * @throws IOException if the disk refuses, or other processes hold the file for longer than half a second
     */
    @Override
    public void put(DeadLetter letter) throws IOException {
        file.append((Objects.requireNonNull(letter, "letter is null: give the one to keep").toJson() + "\n")
                .getBytes(StandardCharsets.US_ASCII));
    }

    /**
     * What the file holds.
     *
     * @param letters the letters, the oldest first, each id once, not null
     * @param skipped the numbers of the lines that are no letters, from 1; a crash may leave one that was cut off
     */
    public record Contents(List<DeadLetter> letters, List<Integer> skipped) {
    }

    /**
     * Reads the file; empty if it is not there.
     *
     * @throws IOException if it cannot be read, or other processes hold it for longer than half a second
     */
    public Contents read() throws IOException {
        try (InputStream contents = file.contents()) {
            return contents == null ? new Contents(List.of(), List.of()) : read(contents);
        }
    }

    private Contents read(InputStream contents) throws IOException {
        Map<UUID, DeadLetter> letters = new LinkedHashMap<>();
        List<Integer> skipped = new ArrayList<>();
        // Not Files.newBufferedReader: a byte that is no UTF-8 would end the reading of all that follows.
        BufferedReader lines = new BufferedReader(new InputStreamReader(contents, StandardCharsets.UTF_8));
        int number = 0;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            number++;
            try {
                DeadLetter letter = DeadLetter.parse(line);
                letters.putIfAbsent(letter.id(), letter);
            } catch (IllegalArgumentException unreadable) {
                skipped.add(number);
                LOG.warn("line {} of {} is no dead letter and is skipped, perhaps cut off by a crash: {}", number, file(),
                        unreadable.getMessage());
            }
        }
        List<DeadLetter> sorted = new ArrayList<>(letters.values());
        sorted.sort(Comparator.comparing(DeadLetter::when));
        return new Contents(List.copyOf(sorted), List.copyOf(skipped));
    }

    /** All letters of the file, since none is marked; lines that are none are skipped and logged. */
    @Override
    public List<DeadLetter> open() throws IOException {
        return read().letters();
    }

    @Override
    public boolean keepsMarks() {
        return false;
    }

    @Override
    public void done(Connection connection, DeadLetter letter) {
        // The row that the key leaves in the ledger is the mark.
    }
}
