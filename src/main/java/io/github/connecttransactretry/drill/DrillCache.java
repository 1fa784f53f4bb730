package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;

/** Directories that are dear to make and are kept between runs, in the user's cache folder. */
final class DrillCache {

    private DrillCache() {
    }

    /** Fills a new directory. */
    @FunctionalInterface
    interface Filler {

        void fill(Path directory) throws IOException;
    }

    /**
     * Gives the directory of that name, filled once. Several JVMs may race: each fills a directory of its own, and the
     * first whole one is renamed into place.
     */
    static Path directory(String name, Filler filler) {
        try {
            Path wanted = root().resolve(name);
            if (!Files.isDirectory(wanted)) {
                Path fresh = Files.createTempDirectory(root(), name + ".unfinished-");
                try {
                    // createTempDirectory gives 0700, which "nobody" cannot enter.
                    Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rwxr-xr-x"));
                    filler.fill(fresh);
                    moveInto(fresh, wanted);
                } finally {
                    Trees.delete(fresh);
                }
            }
            return wanted;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void moveInto(Path fresh, Path wanted) throws IOException {
        try {
            Files.move(fresh, wanted, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException lostTheRace) {
            if (!Files.isDirectory(wanted)) {
                throw lostTheRace;
            }
        }
    }

    private static Path root() throws IOException {
        Path home = Path.of(System.getProperty("user.home"));
        boolean useHome = Unprivileged.current().readsHome() && Files.isWritable(home);
        Path root = useHome ? home.resolve(".cache/connect-transact-retry")
                : Path.of(System.getProperty("java.io.tmpdir"), "connect-transact-retry-" + System.getProperty("user.name"));
        Files.createDirectories(root);
        // In a folder that all may write to, a stranger could have laid binaries there for us to run.
        if (!Files.getOwner(root).equals(Files.getOwner(Path.of("/proc/self")))) {
            throw new IOException(root + " belongs to " + Files.getOwner(root).getName() + "; remove it or set java.io.tmpdir");
        }
        return root;
    }
}
