/**
 * A name for a piece of work, under which it takes effect at most once however often it is asked for, and the small
 * encoding in which its result is kept.
 */
package io.github.connecttransactretry.idempotency;
