package io.github.connecttransactretry.deadletter;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file of lines that only grows, each flushed to the disk before its writer goes on. When many come at once, whoever has the
 * turn writes for all who wait, with one flush: one by one they would wait for each other's. Thread-safe.
 */
final class LetterFile {

    private static final Logger LOG = LoggerFactory.getLogger(LetterFile.class);

    private final Path path;
    /** Lines whose writers wait for their turn. */
    private final Queue<Line> waiting = new ConcurrentLinkedQueue<>();

    /** A line and whether it is on the disk. */
    private static final class Line {
        private final byte[] bytes;
        private volatile boolean written;

        private Line(byte[] bytes) {
            this.bytes = bytes;
        }
    }

    /** The file of that path, which is absolute, and its directory free of links. */
    LetterFile(Path path) {
        this.path = path;
    }

    Path path() {
        return path;
    }

    /** How many writers wait for their turn, or have it. */
    int writers() {
        return waiting.size();
    }

    void append(byte[] bytes) throws IOException {
        Line mine = new Line(bytes);
        waiting.add(mine);
        try {
            inTurn(() -> {
                if (!mine.written) {
                    appendAll(List.copyOf(waiting));
                }
                return null;
            });
        } catch (IOException failed) {
            if (!mine.written) {
                throw failed;
            }
        } finally {
            waiting.remove(mine);
        }
    }

    private void appendAll(List<Line> lines) throws IOException {
        boolean fresh = !Files.exists(path);
        try (FileChannel channel = FileChannel.open(path,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE), privately())) {
            long end = channel.size();
            try {
                long at = isTorn(channel, end) ? end + write(channel, new byte[] {'\n'}, end) : end;
                for (Line line : lines) {
                    at += write(channel, line.bytes, at);
                }
                channel.force(true);
            } catch (IOException failed) {
                takeBack(channel, end, failed);
                throw failed;
            }
        }
        if (fresh) {
            flushDirectory();
        }
        lines.forEach(line -> line.written = true);
        waiting.removeAll(lines);
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
                try (FileTurn turn = FileTurn.take(path, privately())) {
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
        try (FileChannel directory = FileChannel.open(path.getParent(), StandardOpenOption.READ)) {
            directory.force(true);
        } catch (ClosedByInterruptException cut) {
            throw cut;
        } catch (IOException refused) {
            // Windows opens no directories, and needs no flush for them.
            LOG.debug("the directory of {} could not be flushed", path, refused);
        }
    }

    private FileAttribute<?>[] privately() {
        return path.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))}
                : new FileAttribute<?>[0];
    }

    /**
     * What is in the file now, to be read without keeping anybody from writing; null if it is not there.
     *
     * @throws IOException if it cannot be opened, or others hold it for too long
     */
    InputStream contents() throws IOException {
        try {
            long size = inTurn(() -> Files.size(path));
            return new Beginning(Files.newInputStream(path), size);
        } catch (NoSuchFileException none) {
            return null;
        }
    }

    /** The first so many bytes of a file that may grow meanwhile. */
    private static final class Beginning extends InputStream {
        private final InputStream whole;
        private long left;

        private Beginning(InputStream whole, long size) {
            this.whole = whole;
            this.left = size;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int from, int most) throws IOException {
            int count = left == 0 ? -1 : whole.read(into, from, (int) Math.min(most, left));
            left -= Math.max(0, count);
            return count;
        }

        @Override
        public void close() throws IOException {
            whole.close();
        }
    }
}
