/**
 * Letters about calls that finally failed or stayed unknown, and the places that keep them until somebody takes them up again:
 * a table, a file for when the database is away, the log.
 */
package io.github.connecttransactretry.deadletter;
