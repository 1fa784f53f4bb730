/**
 * What became of a COMMIT whose answer never came: the evidence taken before it, the question put to the server, the seal
 * that makes an answer final, and the fence around a backend that may still act on its own.
 */
package io.github.connecttransactretry.outcome;
