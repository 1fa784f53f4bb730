/**
 * Drills on a real PostgreSQL: a server that can be crashed, failed over and started again, and a proxy that cuts a
 * connection at an exact border of the wire protocol. For rehearsing what a network and a server do to a COMMIT; not
 * for production traffic. Linux only.
 */
package io.github.connecttransactretry.drill;
