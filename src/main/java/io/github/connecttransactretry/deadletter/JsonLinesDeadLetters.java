package io.github.connecttransactretry.deadletter;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Letters in a file, one JSON object per line, only ever appended, and flushed to the disk one by one: for when the database is
 * away. Threads and processes may share a file; they take turns by a file beside it, named like it with {@code .lock} behind.
 * Both are made readable by their owner alone where the file system can. Thread-safe.
 *
 * <p>No letter is marked as done: the ledger tells. Once all are done, the file may be moved away or deleted, by somebody who
 * knows that nobody is writing it.
 */
public final class JsonLinesDeadLetters implements DeadLetterBox {

    private static final Logger LOG = LoggerFactory.getLogger(JsonLinesDeadLetters.class);

    private static final Duration LONGEST_WAIT = Duration.ofMillis(500);

    private final Path file;

    /**
     * The letters of a file.
     *
     * @param file need not be there yet, its directory must, not null
     * @throws IllegalArgumentException if its directory is not there, or it is itself one
     */
    public JsonLinesDeadLetters(Path file) {
        Path absolute = Objects.requireNonNull(file, "file is null: give the path of a file for the letters").toAbsolutePath();
        try {
            this.file = absolute.getParent().toRealPath().resolve(absolute.getFileName());
        } catch (IOException | NullPointerException missing) {
            throw new IllegalArgumentException("the directory of " + absolute + " is not there: make it first", missing);
        }
        if (Files.isDirectory(this.file)) {
            throw new IllegalArgumentException(absolute + " is a directory: give the path of a file for the letters");
        }
    }

    /** Where the letters are, not null. */
    public Path file() {
        return file;
    }

    /**
     * Appends a letter and flushes it to the disk. An interrupt does not keep it from that.
     *
     * @throws IOException if the disk refuses, or others hold the file for longer than half a second
     */
    @Override
    public void put(DeadLetter letter) throws IOException {
        byte[] line = (Objects.requireNonNull(letter, "letter is null: give the one to keep").toJson() + "\n")
                .getBytes(StandardCharsets.US_ASCII);
        inTurn(() -> {
            append(line);
            return null;
        });
    }

    /** What is done in one's turn. */
    private interface Doing<T> {
        T get() throws IOException;
    }

    /** An interrupt closes a channel: then it is done again, and the flag set at the end. */
    private <T> T inTurn(Doing<T> doing) throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            while (true) {
                try (FileTurn turn = FileTurn.take(file, LONGEST_WAIT, privately())) {
                    Objects.requireNonNull(turn);
                    return doing.get();
                } catch (ClosedByInterruptException | InterruptedException cut) {
                    interrupted = true;
                    Thread.interrupted();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void append(byte[] line) throws IOException {
        boolean fresh = !Files.exists(file);
        try (FileChannel channel = FileChannel.open(file,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE), privately())) {
            long end = channel.size();
            try {
                long at = isTorn(channel, end) ? end + write(channel, new byte[] {'\n'}, end) : end;
                write(channel, line, at);
                channel.force(true);
            } catch (IOException failed) {
                takeBack(channel, end, failed);
                throw failed;
            }
        }
        if (fresh) {
            flushDirectory();
        }
    }

    /** Whether a crash has left a line without its end. */
    private static boolean isTorn(FileChannel channel, long end) throws IOException {
        ByteBuffer last = ByteBuffer.allocate(1);
        return end > 0 && channel.read(last, end - 1) == 1 && last.get(0) != '\n';
    }

    private static int write(FileChannel channel, byte[] bytes, long at) throws IOException {
        ByteBuffer out = ByteBuffer.wrap(bytes);
        while (out.hasRemaining()) {
            channel.write(out, at + out.position());
        }
        return bytes.length;
    }

    private static void takeBack(FileChannel channel, long end, IOException failed) {
        try {
            if (channel.isOpen()) {
                channel.truncate(end);
            }
        } catch (IOException worse) {
            failed.addSuppressed(worse);
        }
    }

    /** A new file's name is safe only once its directory is on the disk too. */
    private void flushDirectory() throws IOException {
        try (FileChannel directory = FileChannel.open(file.getParent(), StandardOpenOption.READ)) {
            directory.force(true);
        } catch (ClosedByInterruptException cut) {
            throw cut;
        } catch (IOException refused) {
            // Windows opens no directories, and needs no flush for them.
            LOG.debug("the directory of {} could not be flushed", file, refused);
        }
    }

    private FileAttribute<?>[] privately() {
        return file.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))}
                : new FileAttribute<?>[0];
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
     * @throws IOException if it cannot be read, or others hold it for longer than half a second
     */
    public Contents read() throws IOException {
        return inTurn(this::contents);
    }

    private Contents contents() throws IOException {
        Map<UUID, DeadLetter> letters = new LinkedHashMap<>();
        List<Integer> skipped = new ArrayList<>();
        // Not Files.newBufferedReader: a byte that is no UTF-8 would end the reading of all that follows.
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(Files.newInputStream(file), StandardCharsets.UTF_8))) {
            int number = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                number++;
                try {
                    DeadLetter letter = DeadLetter.parse(line);
                    letters.putIfAbsent(letter.id(), letter);
                } catch (IllegalArgumentException unreadable) {
                    skipped.add(number);
                    LOG.warn("line {} of {} is no dead letter and is skipped, perhaps cut off by a crash: {}", number, file,
                            unreadable.getMessage());
                }
            }
        } catch (NoSuchFileException none) {
            return new Contents(List.of(), List.of());
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
