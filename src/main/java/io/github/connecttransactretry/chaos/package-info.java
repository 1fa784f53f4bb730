/**
 * For tests of retry safety, of this library and of your own functions: the exactly-once audit, and faults at exact places.
 * It knows the engine's exceptions, and nothing but JDBC and the JDK besides.
 */
package io.github.connecttransactretry.chaos;
