package io.github.connecttransactretry.classpath;

/** Makes sure that a class path is as bare as the test says. */
final class Absent {

    private Absent() {
    }

    static void require(String... classes) {
        for (String name : classes) {
            try {
                Class.forName(name);
                throw new IllegalStateException(name + " is on the class path");
            } catch (ClassNotFoundException asItShouldBe) {
                continue;
            }
        }
    }
}
