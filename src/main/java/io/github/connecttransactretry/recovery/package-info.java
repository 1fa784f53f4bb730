/** What shortens the time between a server's return and the first commit; offered, never forced. */
package io.github.connecttransactretry.recovery;
