package io.github.connecttransactretry.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** README and docs hold no Java that a SnippetsTest does not run, and no link that leads nowhere. */
class DocsTest {

    private static final Pattern JAVA = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    private static final Pattern SNIPPET = Pattern.compile("// snippet\n(.*?)// end", Pattern.DOTALL);
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)#]+)(#[^)]*)?\\)");

    @Test
    void everySnippetIsRunAndShown() throws IOException {
        Set<String> run = new HashSet<>();
        for (Path test : files(Path.of("src/test/java/io/github/connecttransactretry/docs"), "SnippetsTest.java")) {
            run.addAll(all(SNIPPET, Files.readString(test)));
        }
        Set<String> shown = new HashSet<>();
        for (Path page : pages()) {
            shown.addAll(all(JAVA, Files.readString(page)));
        }
        assertFalse(shown.isEmpty());
        assertEquals(run, shown);
    }

    @Test
    void everyLinkLeadsSomewhere() throws IOException {
        List<String> broken = new ArrayList<>();
        int links = 0;
        for (Path page : pages()) {
            Matcher link = LINK.matcher(Files.readString(page));
            while (link.find()) {
                links++;
                Path target = page.resolveSibling(link.group(1));
                if (!link.group(1).contains("://") && !Files.exists(target)) {
                    broken.add(page + " -> " + link.group(1));
                }
            }
        }
        assertTrue(links > 5, "only " + links + " links found: the pattern is off");
        assertEquals(List.of(), broken);
    }

    private static List<Path> pages() throws IOException {
        List<Path> pages = new ArrayList<>(files(Path.of("docs"), ".md"));
        pages.add(Path.of("README.md"));
        return pages;
    }

    private static List<Path> files(Path below, String ending) throws IOException {
        try (Stream<Path> files = Files.walk(below)) {
            return files.filter(file -> file.toString().endsWith(ending)).toList();
        }
    }

    private static List<String> all(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(found -> found.group(1).stripIndent().strip()).toList();
    }
}
