/** What a failure means for the next attempt: by phase, SQLSTATE and the state of the connection, never by English text. */
package io.github.connecttransactretry.classify;
