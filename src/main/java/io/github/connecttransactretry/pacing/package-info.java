/** How long to wait before the next attempt, and how many there may be. Pure functions of their arguments. */
package io.github.connecttransactretry.pacing;
