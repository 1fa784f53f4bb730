/** What the engine tells of its work: events for listeners, and the log. Nothing here can change the course of a call. */
package io.github.connecttransactretry.observe;
