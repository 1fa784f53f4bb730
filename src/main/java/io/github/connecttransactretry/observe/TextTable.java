package io.github.connecttransactretry.observe;

import java.util.ArrayList;
import java.util.List;

/** Columns of text in a row, each as wide as its widest cell. For one thread. */
final class TextTable {

    private final List<String[]> rows = new ArrayList<>();
    private final boolean[] toTheRight;

    /** With these heads; a column whose head begins with {@code >} is of numbers, and set to the right. */
    TextTable(String... heads) {
        toTheRight = new boolean[heads.length];
        String[] first = new String[heads.length];
        for (int i = 0; i < heads.length; i++) {
            toTheRight[i] = heads[i].startsWith(">");
            first[i] = toTheRight[i] ? heads[i].substring(1) : heads[i];
        }
        rows.add(first);
    }

    void row(String... cells) {
        rows.add(cells);
    }

    /** One line for each row, without a line break at the end. */
    @Override
    public String toString() {
        int[] widths = new int[toTheRight.length];
        for (String[] row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row[i].length());
            }
        }
        List<String> lines = new ArrayList<>();
        for (String[] row : rows) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                String gap = " ".repeat(widths[i] - row[i].length());
                line.append(i == 0 ? "" : "  ").append(toTheRight[i] ? gap + row[i] : row[i] + gap);
            }
            lines.add(line.toString().stripTrailing());
        }
        return String.join("\n", lines);
    }
}
