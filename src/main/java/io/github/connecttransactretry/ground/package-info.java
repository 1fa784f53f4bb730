/** The lowest room: time, deadlines, and what the engine asks of a driver and of a pool. It imports the JDK alone. */
package io.github.connecttransactretry.ground;
