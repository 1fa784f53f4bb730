package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Runs small programs of the operating system to their end. */
final class Command {

    private Command() {
    }

    /**
     * Runs a program and gives what it printed.
     *
     * @param words the program and its arguments
     * @return standard output and error together
     * @throws IllegalStateException when it ends with anything but 0; the message has its output
     */
    static String run(List<String> words) {
        Result result = tryToRun(words);
        if (result.exit() != 0) {
            throw new IllegalStateException(words + " ended with " + result.exit() + ": " + result.output());
        }
        return result.output();
    }

    /** Runs a program whose failure is an answer too; -1 when it could not be started at all. */
    static Result tryToRun(List<String> words) {
        Path output = null;
        try {
            // A file, not a pipe: a grandchild that lives on would keep a pipe open, and with it us.
            output = Files.createTempFile("ctr-command", ".out");
            Process process = new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(output.toFile())
                    .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile())).start();
            int exit = process.waitFor();
            return new Result(exit, Files.readString(output, StandardCharsets.UTF_8));
        } catch (IOException notStarted) {
            return new Result(-1, String.valueOf(notStarted.getMessage()));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while running " + words.get(0), interrupted);
        } finally {
            delete(output);
        }
    }

    static List<String> join(List<String> prefix, List<String> words) {
        List<String> all = new ArrayList<>(prefix);
        all.addAll(words);
        return all;
    }

    private static void delete(Path file) {
        try {
            if (file != null) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How a program ended and what it printed. */
    record Result(int exit, String output) {
    }
}
