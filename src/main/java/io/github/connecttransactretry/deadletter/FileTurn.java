package io.github.connecttransactretry.deadletter;

import io.github.connecttransactretry.ground.TimeSource;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Somebody's turn at a file, among the threads of this process and among processes. Held by a file beside it: a process loses
 * its lock on a file as soon as any part of it closes that file (fcntl(2)), even one that only reads.
 */
final class FileTurn implements Closeable {

    private static final Map<Path, ReentrantLock> INSIDE = new ConcurrentHashMap<>();
    private static final Duration BETWEEN_LOOKS = Duration.ofMillis(2);
    /** Each of those before writes for all who wait, so that nobody waits for more than two or three flushes. */
    private static final Duration LONGEST_INSIDE = Duration.ofSeconds(10);
    private static final Duration LONGEST_BETWEEN_PROCESSES = Duration.ofMillis(500);

    private final ReentrantLock inside;
    private final FileChannel channel;

    private FileTurn(ReentrantLock inside, FileChannel channel) {
        this.inside = inside;
        this.channel = channel;
    }

    /**
     * Waits for one's turn.
     *
     * @param file       absolute, its directory free of links
     * @param attributes for the file beside it
     * @throws IOException          if it does not come in time, or a file cannot be opened
     * @throws InterruptedException if the thread is interrupted
     */
    static FileTurn take(Path file, FileAttribute<?>... attributes) throws IOException, InterruptedException {
        ReentrantLock inside = INSIDE.computeIfAbsent(file, any -> new ReentrantLock(true));
        if (!inside.tryLock(LONGEST_INSIDE.toNanos(), TimeUnit.NANOSECONDS)) {
            throw tooLong(file, LONGEST_INSIDE);
        }
        long end = System.nanoTime() + LONGEST_BETWEEN_PROCESSES.toNanos();
        FileChannel channel = null;
        try {
            channel = FileChannel.open(file.resolveSibling(file.getFileName() + ".lock"),
                    Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE), attributes);
            while (!isLocked(channel)) {
                if (System.nanoTime() - end >= 0) {
                    throw tooLong(file, LONGEST_BETWEEN_PROCESSES);
                }
                TimeSource.system().sleep(BETWEEN_LOOKS);
            }
            return new FileTurn(inside, channel);
        } catch (Throwable failed) {
            new FileTurn(inside, channel).close();
            throw failed;
        }
    }

    private static boolean isLocked(FileChannel channel) throws IOException {
        try {
            FileLock lock = channel.tryLock();
            return lock != null;
        } catch (OverlappingFileLockException elsewhereInThisProcess) {
            // By another class loader's copy of this class.
            return false;
        }
    }

    private static IOException tooLong(Path file, Duration atMost) {
        return new IOException("others wrote dead letters to " + file + " for longer than " + atMost.toMillis() + " ms");
    }

    /** Ends the turn; closing the channel gives its lock back. */
    @Override
    public void close() throws IOException {
        try {
            if (channel != null) {
                channel.close();
            }
        } finally {
            inside.unlock();
        }
    }
}
