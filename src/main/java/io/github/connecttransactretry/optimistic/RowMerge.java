package io.github.connecttransactretry.optimistic;

import java.util.Map;

/**
 * What a caller wants to write, worked out from the row as it is. Called again with the newer row when another writer was
 * faster, and in each attempt of an engine: it should compute and do nothing else, above all not wait for a person, since
 * the second time the row is locked.
 *
 * @param <X> what it may throw; {@link RuntimeException} for nothing
 */
@FunctionalInterface
public interface RowMerge<X extends Exception> {

    /**
     * The columns to set, by name; a value may be null. Empty for nothing to write.
     *
     * @param current the row that the changes are made to, not null
     * @throws X ends the merge, and nothing of it is written
     */
    Map<String, ?> changes(VersionedRow current) throws X;
}
