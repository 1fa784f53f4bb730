/**
 * For tests of retry safety, of this library and of your own functions: the exactly-once audit, and faults at exact places.
 * Of the engine it knows the exceptions and how a driver's connection is recognised; besides these JDBC, the JDK and slf4j alone.
 */
package io.github.connecttransactretry.chaos;
