package io.github.connecttransactretry.drill;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** Signals to processes of a server, and what /proc says of them. */
final class ProcessSignals {

    private ProcessSignals() {
    }

    /** Sends one signal to all, as close together as one shell can; a process that is gone already is no failure. */
    static void send(String signal, Collection<Long> pids) {
        // The shell's built-in kill: all within microseconds, where one program each would take milliseconds.
        List<String> words = new ArrayList<>(List.of("sh", "-c", "kill -" + signal + " \"$@\" 2>/dev/null || true", "sh"));
        pids.forEach(pid -> words.add(Long.toString(pid)));
        Command.run(words);
    }

    /** The children, their children and so on. */
    static List<Long> descendants(long pid) {
        return ProcessHandle.of(pid).stream().flatMap(ProcessHandle::descendants).map(ProcessHandle::pid).toList();
    }

    /** Whether the process is there and not only waits to be reaped. */
    static boolean alive(long pid) {
        char state = state(pid);
        return state != 'Z' && state != 'X';
    }

    /** Whether the process is stopped by a signal. */
    static boolean stopped(long pid) {
        return state(pid) == 'T';
    }

    /** The state letter of proc(5); X when there is no such process. */
    private static char state(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"), StandardCharsets.ISO_8859_1);
            return stat.charAt(stat.lastIndexOf(')') + 2);
        } catch (IOException gone) {
            return 'X';
        }
    }
}
