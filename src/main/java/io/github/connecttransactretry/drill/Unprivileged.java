package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** How this user starts PostgreSQL, which refuses to run as root. */
enum Unprivileged {

    /** Not root: the programs run as they are. */
    DIRECT(List.of()),

    /** Root: a user namespace without a mapping looks like "nobody" to the program and still owns root's files. */
    USER_NAMESPACE(List.of("unshare", "-U")),

    /** Root where namespaces are forbidden (some containers): really become "nobody", who must own the files. */
    SETPRIV(List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"));

    private static Unprivileged current;

    private final List<String> prefix;

    Unprivileged(List<String> prefix) {
        this.prefix = prefix;
    }

    /** The way that works here; found once. */
    static synchronized Unprivileged current() {
        if (current == null) {
            current = find();
        }
        return current;
    }

    /** The words to put before a command. */
    List<String> command(List<String> words) {
        return Command.join(prefix, words);
    }

    /** Hands a directory and all in it to the user that the programs run as. */
    void own(Path directory) {
        if (this == SETPRIV) {
            Command.run(List.of("chown", "-R", "65534:65534", directory.toString()));
        }
    }

    /** Whether the programs can read below root's home directory. */
    boolean readsHome() {
        return this != SETPRIV;
    }

    private static Unprivileged find() {
        if (!System.getProperty("os.name").equals("Linux")) {
            throw new IllegalStateException("the drill's PostgreSQL needs Linux, this is " + System.getProperty("os.name"));
        }
        if (uid() != 0) {
            return DIRECT;
        }
        Command.Result probe = Command.tryToRun(USER_NAMESPACE.command(List.of("id", "-u")));
        return probe.exit() == 0 && !probe.output().trim().equals("0") ? USER_NAMESPACE : SETPRIV;
    }

    private static int uid() {
        try {
            return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
