/**
 * Rows with a version: written only if nobody else has written them since they were read, on any table, over any
 * {@link java.sql.Connection}. A lost race is told with both versions, and is written again only after a merge.
 */
package io.github.connecttransactretry.optimistic;
