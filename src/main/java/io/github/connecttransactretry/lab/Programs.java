package io.github.connecttransactretry.lab;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/** Programs of this machine. Stateless. */
final class Programs {

    private Programs() {
    }

    /**
     * The first of that name.
     *
     * @param path folders as the environment variable PATH has them; null for none
     * @param name of the program
     */
    static Optional<Path> onPath(String path, String name) {
        return Stream.of((path == null ? "" : path).split(File.pathSeparator))
                .filter(folder -> !folder.isEmpty())
                .map(folder -> Path.of(folder, name))
                .filter(Files::isExecutable)
                .findFirst();
    }
}
