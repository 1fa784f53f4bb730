package io.github.connecttransactretry.lab;

import java.util.List;
import java.util.stream.Stream;

/** The shell between this JVM and a program that it starts: ends the program when this JVM is gone, however that ends. Stateless. */
final class Keeper {

    // A pipe from us holds it: a line asks it to end, and when the pipe breaks we are gone and it has to tidy up as well.
    private static final String SCRIPT = """
            trap '' INT TERM HUP
            exec 3<&0 </dev/null
            home=$1
            shift
            "$@" 3<&- &
            program=$!
            { read -r line <&3 || rm -rf "$home"; kill -KILL "$program"; } &
            keeper=$!
            wait "$program"
            code=$?
            kill -KILL "$keeper"
            exit "$code"
            """;

    private Keeper() {
    }

    /**
     * What to start instead of the program, with its standard input left a pipe.
     *
     * @param name  what the shell is called among the processes
     * @param home  the folder to be removed if this JVM goes without a word; empty for none
     * @param words the program and its arguments
     */
    static List<String> command(String name, String home, List<String> words) {
        return Stream.concat(Stream.of("sh", "-c", SCRIPT, name, home), words.stream()).toList();
    }
}
